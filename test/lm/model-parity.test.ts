import { beforeAll, describe, expect, it } from 'vitest'
import { type GenerationSettings, generate } from '../../lm/generate/generate.ts'
import type { DecoderParameters } from '../../lm/model/decoder.ts'
import { loadModel } from '../../lm/model/model.ts'
import { encodePrompt } from '../../lm/text/conversation.ts'
import { logitsOf } from './forward.ts'
import { type LogitsReference, largestDifference, loadReferenceModel, readReference } from './reference.ts'
import { startOnnxBackend } from './start-onnx-backend.ts'

const reference = readReference<LogitsReference>('logits.json')
const adapters: Readonly<Record<string, string>> = { adapter: '', rslora: '-rslora' }

beforeAll(startOnnxBackend)

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

  beforeAll(() => {
    parameters = loadReferenceModel(model, adapter && `${model}${adapters[adapter]}`)
  })

  it('gives the logits of transformers and PEFT', () => {
    const ours = logitsOf(parameters, reference.input_ids)
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
    const scores = logitsOf(parameters, [[...prompt, ...continuation]])[0]!.slice(prompt.length - 1, -1)
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
  it('writes the same greedy answers to twenty questions, token for token', async () => {
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
