import { beforeAll, describe, expect, it } from 'vitest'
import { type GenerationSettings, generate } from '../../lm/generate/generate.ts'
import {
  causalAttention,
  causalMask,
  type DecoderParameters,
  hiddenStates,
  logits,
} from '../../lm/model/decoder.ts'
import { loadModel } from '../../lm/model/model.ts'
import { rotaryTable } from '../../lm/model/rotary.ts'
import { jit } from '../../lm/tensor/jit.ts'
import { registerOnnxBackend } from '../../lm/tensor/onnx-backend.ts'
import { type Tensor, tf } from '../../lm/tensor/tf.ts'
import { encodePrompt } from '../../lm/text/conversation.ts'
import { type LogitsReference, largestDifference, loadReferenceModel, readReference } from './reference.ts'

const reference = readReference<LogitsReference>('logits.json')
const adapters: Readonly<Record<string, string>> = { adapter: '', rslora: '-rslora' }

beforeAll(async () => {
  registerOnnxBackend()
  await tf.setBackend('onnx')
})

/** The whole forward pass over right-padded rows, without a cache: [batch * length, vocabulary]. */
function forward(parameters: DecoderParameters) {
  const { config } = parameters
  const half = config.headSize / 2
  return jit(({ ids, cos, sin, mask }: { ids: Tensor; cos: Tensor; sin: Tensor; mask: Tensor }) => {
    const [batch, length] = ids.shape as [number, number]
    const positions = {
      cos: tf.reshape(cos, [1, length, 1, half]),
      sin: tf.reshape(sin, [1, length, 1, half]),
    }
    const attend = causalAttention(config, batch, length, mask)
    const hidden = hiddenStates(parameters, tf.reshape(ids, [-1]), batch, length, positions, attend)
    return { logits: logits(parameters, hidden) }
  })
}

function logitsOf(parameters: DecoderParameters) {
  const program = forward(parameters)
  const half = parameters.config.headSize / 2
  return (rows: readonly (readonly number[])[]): number[][][] => {
    const length = Math.max(...rows.map((row) => row.length))
    const table = rotaryTable(
      parameters.config,
      Array.from({ length }, (_, position) => position),
    )
    const padded = rows.flatMap((row) => [...row, ...new Array<number>(length - row.length).fill(0)])
    const result = tf.tidy(() => {
      const { logits } = program({
        ids: tf.tensor2d(padded, [rows.length, length], 'int32'),
        cos: tf.tensor2d(table.cos, [length, half]),
        sin: tf.tensor2d(table.sin, [length, half]),
        mask: tf.tensor2d(causalMask(length), [length, length]),
      })
      return tf.reshape(logits, [rows.length, length, -1])
    })
    const values = result.arraySync() as number[][][]
    result.dispose()
    return values.map((positions, row) => positions.slice(0, rows[row]!.length))
  }
}

function logSumExp(values: readonly number[]): number {
  const largest = Math.max(...values)
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0))
}

function greedy(maxNewTokens: number, stopIds: readonly number[] = []): GenerationSettings {
  return { temperature: 0, topP: 1, topK: 0, maxNewTokens, stopIds, seed: 0, batchSize: 10 }
}

describe.each(Object.keys(reference.models))('%s', (name) => {
  const [model, adapter] = name.split('+') as [string, string | undefined]
  const expected = reference.models[name]!
  let parameters: DecoderParameters
  let run: ReturnType<typeof logitsOf>

  beforeAll(() => {
    parameters = loadReferenceModel(model, adapter && `${model}${adapters[adapter]}`)
    run = logitsOf(parameters)
  })

  it('gives the logits of transformers and PEFT', () => {
    const ours = run(reference.input_ids)
    expect(largestDifference(ours.flat(2), expected.logits.flat(2))).toBeLessThan(1e-4)
  })

  it('writes the same greedy tokens, prompts of unlike length in one batch', async () => {
    const prompts = expected.greedy.map(({ prompt }) => prompt)
    const answers = await generate(parameters, prompts, greedy(16))
    expect(answers.map(({ ids }) => ids)).toEqual(expected.greedy.map(({ continuation }) => continuation))
  })

  it('reports log-probabilities that the whole forward pass confirms', async () => {
    const { prompt, continuation } = expected.greedy[0]!
    const [answer] = await generate(parameters, [prompt], greedy(16))
    const scores = run([[...prompt, ...continuation]])[0]!.slice(prompt.length - 1, -1)
    const logps = scores.map((row, index) => row[continuation[index]!]! - logSumExp(row))
    expect(largestDifference(answer!.logps, logps)).toBeLessThan(1e-4)
  })
})

interface SmolLm2Reference {
  readonly max_new_tokens: number
  readonly answers: {
    readonly question: string
    readonly prompt: number[]
    readonly continuation: number[]
  }[]
}

// Real weights do not lie in the repository: name a folder of SmolLM2-135M-Instruct to run this.
const smollm2 = process.env.FLOW_TEST_SMOLLM2
if (smollm2 === undefined)
  console.warn('SmolLM2-135M is not compared: FLOW_TEST_SMOLLM2 names no folder with its weights')

describe.skipIf(smollm2 === undefined)('SmolLM2-135M-Instruct', () => {
  it('writes the same greedy answers to ten questions, token for token', async () => {
    const { answers, max_new_tokens } = readReference<SmolLm2Reference>('smollm2-greedy.json')
    const model = loadModel(smollm2!)
    const prompts = answers.map(({ question, prompt }) => {
      const ids = encodePrompt(model.tokenizer, [{ role: 'user', content: question }])
      expect(ids).toEqual(prompt)
      return ids
    })
    const ours = await generate(model, prompts, greedy(max_new_tokens, model.tokenizer.stopIds))
    expect(ours.map(({ ids }) => ids)).toEqual(answers.map(({ continuation }) => continuation))
  }, 600_000)
})
