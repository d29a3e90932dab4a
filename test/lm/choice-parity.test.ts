/** @file Probabilities of verdicts against those of transformers. */
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { continuationLogps, sharesOf } from '../../lm/generate/continuations.ts'
import { DecodingSteps } from '../../lm/generate/steps.ts'
import type { DecoderParameters } from '../../lm/model/decoder.ts'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { writerOf } from '../../stages/sampling/local-writer.ts'
import { largestDifference, loadReferenceModel, readReference, referencePath } from './reference.ts'
import { startOnnxBackend } from './start-onnx-backend.ts'

interface ChoiceCase {
  readonly tokenizer: 'qwen2' | 'glued'
  readonly question: string
  readonly before: string
  readonly choices: string[][]
  readonly shares: number[]
}

const cases = readReference<ChoiceCase[]>('judging/choices.json')
const folders = { qwen2: 'models/qwen2', glued: 'judging/glued' }
let parameters: DecoderParameters

beforeAll(async () => {
  await startOnnxBackend()
  parameters = loadReferenceModel('qwen2', 'qwen2')
})

describe.each(['qwen2', 'glued'] as const)('shares of choices, tokenizer %s', (name) => {
  const own = cases.filter(({ tokenizer }) => tokenizer === name)

  it.each([1, 3, 64])('are those of transformers, %d rows at a time', async (batchSize) => {
    const writer = writerOf(parameters, loadTokenizer(referencePath(folders[name])), 'auto')
    const requests = own.map(({ question, before, choices }) => ({ prompt: question, before, choices }))
    const shares = await writer.choose(requests, batchSize, {})
    expect(own).toHaveLength(7)
    own.forEach((each, index) => {
      expect(largestDifference(shares[index]!, each.shares)).toBeLessThan(1e-5)
    })
  })
})

describe('a tokenizer that glues the space', () => {
  it('is one in the fixture, and the other is not', () => {
    const length = (name: 'qwen2' | 'glued') =>
      loadTokenizer(referencePath(folders[name])).encode(' 4').length
    expect([length('qwen2'), length('glued')]).toEqual([2, 1])
  })
})

describe('continuations', () => {
  it('have the log-probabilities that each has alone', async () => {
    const prompt = [1, 60, 61, 62]
    const continuations = [[70], [70, 71], [70, 71, 72], [73, 71], [74, 75, 76, 77]]
    const [together] = await continuationLogps(parameters, [{ prompt, continuations }], 64)
    for (const [index, tokens] of continuations.entries()) {
      const [[alone]] = (await continuationLogps(parameters, [{ prompt, continuations: [tokens] }], 1)) as [
        [number],
      ]
      expect(Math.abs(together![index]! - alone)).toBeLessThan(1e-5)
    }
    expect(together![1]).toBeLessThan(together![0]!)
  })

  it('are computed once where several begin alike, prompts and continuations', async () => {
    const rubric = Array.from({ length: 30 }, (_, position) => 60 + position)
    const continuations = [[70], [71], [72, 70], [72, 71], [72, 71, 73]]
    const requests = Array.from({ length: 9 }, (_, request) => ({
      prompt: [...rubric, 100 + (request % 3), ...Array.from({ length: 20 }, (_, at) => 60 + request + at)],
      continuations,
    }))
    const prefill = vi.spyOn(DecodingSteps.prototype, 'prefill')
    const together = await continuationLogps(parameters, requests, 64)
    const read = prefill.mock.calls.reduce((sum, [{ ids }]) => sum + ids.length, 0)
    prefill.mockRestore()
    // The rubric; three tokens; the rest of each prompt; of the continuations `72` and `72, 71`.
    expect(read).toBe(30 + 3 + 9 * 20 + 9 * 2)
    for (const [index, request] of requests.entries()) {
      const [alone] = await continuationLogps(parameters, [request], 2)
      expect(largestDifference(together[index]!, alone!)).toBeLessThan(1e-5)
    }
  })

  it('longer than the model are refused', async () => {
    const prompt = Array.from({ length: 128 }, () => 60)
    const fits = continuationLogps(parameters, [{ prompt, continuations: [[70]] }], 1)
    await expect(fits).resolves.toHaveLength(1)
    const tooLong = continuationLogps(parameters, [{ prompt, continuations: [[70, 71]] }], 1)
    await expect(tooLong).rejects.toMatchObject({ code: 'prompt-too-long' })
  })
})

describe('sharesOf', () => {
  const spelled = (probability: number, ...tokens: number[]) => ({ tokens, logp: Math.log(probability) })

  it('adds up spellings and takes from each what goes on as another', () => {
    // 1, 10 and 100: half of what begins with 1 goes on to 10, a tenth of that to 100.
    const shares = sharesOf([
      [spelled(0.4, 1)],
      [spelled(0.2, 1, 0)],
      [spelled(0.02, 1, 0, 0)],
      [spelled(0.1, 2)],
    ])
    expect(largestDifference(shares, [0.2 / 0.5, 0.18 / 0.5, 0.02 / 0.5, 0.1 / 0.5])).toBeLessThan(1e-12)
    const twice = sharesOf([[spelled(0.1, 1), spelled(0.2, 9, 1)], [spelled(0.1, 2)]])
    expect(largestDifference(twice, [0.75, 0.25])).toBeLessThan(1e-12)
  })

  it('counts a token sequence once, and works far below the smallest number', () => {
    expect(sharesOf([[spelled(0.1, 1), spelled(0.1, 1)], [spelled(0.1, 2)]])).toEqual([0.5, 0.5])
    const faint = [1, 2].map((token) => [{ tokens: [token], logp: -2000 }])
    expect(sharesOf(faint)).toEqual([0.5, 0.5])
  })
})
