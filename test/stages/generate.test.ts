/** @file The rows that `generate` writes. */
import { describe, expect, it } from 'vitest'
import { loadModel } from '../../lm/model/model.ts'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { responses } from '../../stages/artifacts/responses.ts'
import generate from '../../stages/generate/index.ts'
import { referencePath } from '../lm/reference.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'
import { changedModel, chatPrompt, completionLogps, policy } from './training-runs.ts'

const rows = [
  { prompt: 'Hi', id: 'first', topic: 'greeting' },
  { prompt: [{ role: 'user', content: 'What is 8 plus 8?' }] },
  { instruction: 'Write a story.', input: 'Short.' },
]
const settings = { candidates: 3, max_new_tokens: 12, temperature: 1.2, top_p: 0.95, seed: 3 }

function sample(params: object = {}, data: readonly object[] = rows) {
  return runStage(
    generate,
    { ...policy, prompts: temporaryFile('prompts.jsonl', data) },
    { ...settings, ...params },
  )
}

interface Candidate {
  readonly text: string
  readonly token_ids: number[]
  readonly logps: number[]
  readonly finished: boolean
}

describe('generate', () => {
  it('writes as many candidates a prompt as asked for, and keeps its fields', async () => {
    const run = await sample()
    const found = run.rows('responses')
    expect(found.map(({ prompt }) => prompt)).toEqual(['Hi', rows[1]!.prompt, 'Write a story.\nShort.'])
    expect(found[0]).toMatchObject({ id: 'first', topic: 'greeting' })
    for (const { responses: candidates } of found) {
      expect(candidates).toHaveLength(3)
      expect(new Set(candidates.map(({ token_ids }: Candidate) => token_ids.join())).size).toBe(3)
    }
    for await (const fault of responses.validate(run.outputs.responses!)) throw new Error(fault.message)
  })

  it('says once that a checkpoint with vision is read as the text model in it', async () => {
    const run = await runStage(
      generate,
      {
        model: referencePath('models/qwen2-vl'),
        prompts: temporaryFile('prompts.jsonl', [{ prompt: 'Hi' }]),
      },
      { ...settings, candidates: 1 },
    )
    const said = run.logs.filter((line) => line.startsWith('Qwen2-VL checkpoint: its text model is used'))
    expect(said).toHaveLength(1)
    expect(run.rows('responses')).toHaveLength(1)
  })

  it('keeps tokens that spell the text, with the end token where it ended by itself', async () => {
    const tokenizer = loadTokenizer(policy.model)
    // Some ordinary tokens end an answer too, so that about half of them do.
    const stops = [2, ...Array.from({ length: 15 }, (_, index) => 3 + 7 * index)]
    const model = changedModel('generation_config.json', (config) => ({ ...config, eos_token_id: stops }))
    const prompts = temporaryFile('prompts.jsonl', rows)
    const run = await runStage(generate, { ...policy, model, prompts }, { ...settings, candidates: 6 })
    const candidates: Candidate[] = run.rows('responses').flatMap((row) => row.responses)
    for (const { text, token_ids, logps, finished } of candidates) {
      expect(logps).toHaveLength(token_ids.length)
      expect(finished).toBe(stops.includes(token_ids.at(-1)!))
      const spelled = finished ? token_ids.slice(0, -1) : token_ids
      expect(text).toBe(tokenizer.decode(spelled, { skipSpecial: true }))
    }
    const cut = candidates.filter(({ finished }) => !finished).length
    expect(cut).toBeGreaterThan(0)
    expect(cut).toBeLessThan(18)
    expect(run.logs).toContain(`${cut} of 18 answers were cut at 12 tokens`)
  })

  it('does not depend on how many are decoded together', async () => {
    const texts = async (batch_size: number) =>
      (await sample({ batch_size }))
        .rows('responses')
        .map((row) => row.responses.map(({ text }: Candidate) => text))
    const one = await texts(1)
    expect(await texts(4)).toEqual(one)
    expect(await texts(64)).toEqual(one)
  })

  it('decodes with rounded weights where that is asked for', async () => {
    const logps = async (decode_precision?: string) =>
      (await sample({ temperature: 0, candidates: 1, ...(decode_precision && { decode_precision }) }))
        .rows('responses')
        .map((row) => row.responses[0].logps[0] as number)
    const exact = await logps()
    expect(await logps('fp32')).toEqual(exact)
    for (const [precision, tolerance] of [
      ['int8', 0.2],
      ['int4', 1],
    ] as const) {
      const rounded = await logps(precision)
      expect(rounded).not.toEqual(exact)
      rounded.forEach((logp, row) => {
        expect(Math.abs(logp - exact[row]!)).toBeLessThan(tolerance)
      })
    }
  })

  it('takes the first prompts only with a limit, which changes none of them', async () => {
    const [all, two] = [await sample(), await sample({ limit: 2 })]
    expect(two.rows('responses')).toHaveLength(2)
    const texts = (run: typeof all) =>
      run.rows('responses').map((row) => row.responses.map(({ text }: Candidate) => text))
    expect(texts(two)).toEqual(texts(all).slice(0, 2))
  })

  it('stores log-probabilities at its temperature, to a millionth', async () => {
    const run = await sample()
    const model = loadModel(policy.model)
    const [first] = run.rows('responses')
    const logps = await completionLogps(
      first.responses.map(({ token_ids }: Candidate) => ({
        prompt: chatPrompt(model, 'Hi'),
        completion: token_ids,
      })),
      1.2,
    )
    first.responses.forEach((candidate: Candidate, index: number) => {
      candidate.logps.forEach((logp, token) => {
        expect(Math.abs(logp - logps[index]![token]!)).toBeLessThan(1e-4)
        expect(Number(logp.toFixed(6))).toBe(logp)
      })
    })
  })

  it('says which prompt is too long', async () => {
    expect(await failureOf(sample({}, [{ prompt: 'Say it '.repeat(60) }]))).toMatchObject({
      code: 'prompt-too-long',
      message: expect.stringMatching(/\d+ tokens; the model has 128 positions$/),
    })
  })
})
