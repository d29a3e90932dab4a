/** @file Generation on the tiny Qwen2 checkpoint: batching, stopping, room, log-probabilities, memory. */
import { beforeAll, describe, expect, it } from 'vitest'
import { type GenerationSettings, Generator, generate } from '../../../lm/generate/generate.ts'
import type { DecoderParameters } from '../../../lm/model/decoder.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { scoreSequences } from '../../../lm/training/score-sequences.ts'
import { largestDifference, loadReferenceModel } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

const endOfTurn = 2
let policy: DecoderParameters

beforeAll(async () => {
  await startOnnxBackend()
  policy = loadReferenceModel('qwen2', 'qwen2')
})

/** Eleven prompts of 3 to 43 tokens. */
const prompts = Array.from({ length: 11 }, (_, prompt) =>
  Array.from({ length: 3 + ((prompt * 4) % 44) }, (_, position) => 3 + ((prompt * 53 + position * 29) % 290)),
)

const sampled: GenerationSettings = {
  temperature: 0.9,
  topP: 0.95,
  topK: 0,
  maxNewTokens: 24,
  batchSize: 64,
  seed: 5,
  // Several, so that a random model stops now and then.
  stopIds: [endOfTurn, ...Array.from({ length: 12 }, (_, index) => 40 + index)],
}

describe('generate', () => {
  it('answers each prompt alike, whatever it is batched with and in which order', async () => {
    const [one, three, all] = [
      await generate(policy, prompts, { ...sampled, batchSize: 1 }),
      await generate(policy, prompts, { ...sampled, batchSize: 3 }),
      await generate(policy, prompts, sampled),
    ]
    expect(three.map(({ ids }) => ids)).toEqual(one.map(({ ids }) => ids))
    expect(all.map(({ ids }) => ids)).toEqual(one.map(({ ids }) => ids))
    expect(
      largestDifference(
        all.flatMap(({ logps }) => logps),
        one.flatMap(({ logps }) => logps),
      ),
    ).toBeLessThan(1e-4)
  })

  it('answers prompts that begin alike as if each were alone, and computes the beginning once', async () => {
    const beginning = Array.from({ length: 40 }, (_, position) => 3 + ((position * 31) % 290))
    const alike = prompts.map((prompt) => [...beginning, ...prompt])
    const generator = new Generator(policy)
    const all = await generator.generate(alike, { ...sampled, batchSize: 4 })
    // Prompts are read, rows decode, tokens are picked.
    expect(generator.traces).toBe(3)
    generator.dispose()
    // Alone, a prompt has nothing in common with another; as the only one its random sequence is the first.
    const first = await generate(policy, alike.slice(0, 1), sampled)
    expect(all[0]!.ids).toEqual(first[0]!.ids)
    const greedy = { ...sampled, temperature: 0 }
    const together = await generate(policy, alike, greedy)
    for (const [index, prompt] of alike.entries()) {
      const [alone] = await generate(policy, [prompt], greedy)
      expect(together[index]!.ids).toEqual(alone!.ids)
      expect(largestDifference(together[index]!.logps, alone!.logps)).toBeLessThan(1e-4)
    }
  }, 30_000)

  it.each([
    ['int8', 0.2],
    ['int4', 1],
  ] as const)('decodes with weights rounded to %s, close to the exact ones', async (precision, tolerance) => {
    const greedy = { ...sampled, temperature: 0, maxNewTokens: 8, stopIds: [] }
    const merged = loadReferenceModel('qwen2')
    const generator = new Generator(merged, precision)
    const rounded = await generator.generate(prompts, greedy)
    expect(await generator.generate(prompts, greedy)).toEqual(rounded)
    generator.dispose()
    const exact = await generate(merged, prompts, greedy)
    const firsts = (answers: typeof exact) => answers.map(({ logps }) => logps[0]!)
    const difference = largestDifference(firsts(rounded), firsts(exact))
    expect(difference).toBeGreaterThan(0)
    expect(difference).toBeLessThan(tolerance)
  })

  it('does not round weights under an adapter that is not merged', () => {
    expect(() => new Generator(policy, 'int8')).toThrow(
      expect.objectContaining({ code: 'unsupported-precision' }),
    )
  })

  it('is a function of the seed, and draws apart for equal prompts', async () => {
    const same = [prompts[0]!, prompts[0]!, prompts[0]!]
    const first = await generate(policy, same, sampled)
    expect(await generate(policy, same, sampled)).toEqual(first)
    expect(await generate(policy, same, { ...sampled, seed: 6 })).not.toEqual(first)
    expect(first[1]!.ids).not.toEqual(first[0]!.ids)
    expect(first[2]!.ids).not.toEqual(first[1]!.ids)
  })

  it('stops at the first stop token, keeps it and says that the answer is finished', async () => {
    const answers = await generate(policy, prompts, sampled)
    const stops = new Set(sampled.stopIds)
    for (const { ids, logps, finished } of answers) {
      expect(logps).toHaveLength(ids.length)
      expect(ids.slice(0, -1).some((id) => stops.has(id))).toBe(false)
      expect(finished).toBe(stops.has(ids.at(-1)!))
      if (!finished) expect(ids).toHaveLength(sampled.maxNewTokens)
    }
    expect(answers.some(({ finished }) => finished)).toBe(true)
    expect(answers.some(({ finished }) => !finished)).toBe(true)
  })

  it("ends where the model's positions end", async () => {
    const long = Array.from({ length: 120 }, (_, position) => 3 + (position % 290))
    const settings = { ...sampled, stopIds: [], maxNewTokens: 50 }
    const answers = await generate(policy, [long, [...long, ...long].slice(0, 127), prompts[0]!], settings)
    expect(answers.map(({ ids }) => ids.length)).toEqual([8, 1, 50])
    expect(answers.every(({ finished }) => !finished)).toBe(true)
    await expect(generate(policy, [[...long, ...long].slice(0, 128)], settings)).rejects.toMatchObject({
      code: 'prompt-too-long',
      message: 'prompt 1 has 128 tokens; the model has 128 positions',
    })
  })

  it.each([
    ['sampled', sampled, 0.9],
    ['greedy', { ...sampled, temperature: 0 }, 1],
  ])('reports the log-probabilities that scoring the answers gives: %s', async (_, settings, temperature) => {
    const answers = await generate(policy, prompts, settings)
    const scored = await scoreSequences(
      policy,
      answers.map(({ ids }, index) => ({
        ids: [...prompts[index]!, ...ids],
        weights: [...prompts[index]!.map(() => 0), ...ids.map(() => 1)],
      })),
      4,
      temperature,
      { signal: new AbortController().signal, progress() {} },
    )
    scored.forEach((logps, index) => {
      expect(largestDifference(logps, answers[index]!.logps)).toBeLessThan(1e-4)
    })
  })

  it('hands out each token as it is decoded, and counts prompts and tokens', async () => {
    const heard = prompts.map((): number[] => [])
    let done = { prompts: 0, tokens: 0 }
    const answers = await generate(
      policy,
      prompts,
      { ...sampled, batchSize: 4 },
      {
        token: (prompt, id) => heard[prompt]!.push(id),
        progress: ({ prompts: count, tokens }) => {
          expect(count).toBeGreaterThanOrEqual(done.prompts)
          done = { prompts: count, tokens }
        },
      },
    )
    expect(heard).toEqual(answers.map(({ ids }) => ids))
    expect(done).toEqual({ prompts: 11, tokens: heard.flat().length })
  })

  it('gives its memory back, also when it is interrupted', async () => {
    await generate(policy, prompts, sampled)
    const before = tf.memory().numTensors
    await generate(policy, prompts, { ...sampled, batchSize: 2 })
    const controller = new AbortController()
    const hooks = { signal: controller.signal, token: () => controller.abort() }
    await expect(generate(policy, prompts, sampled, hooks)).rejects.toMatchObject({ name: 'AbortError' })
    expect(tf.memory().numTensors).toBe(before)
  })
})

describe('scoreSequences', () => {
  const hooks = { signal: new AbortController().signal, progress() {} }
  const rows = prompts.map((ids) => ({ ids, weights: ids.map((_, position) => position % 2) }))

  it('does not depend on what a sequence is batched with', async () => {
    const one = await scoreSequences(policy, rows, 1, 1, hooks)
    const all = await scoreSequences(policy, rows, 64, 1, hooks)
    rows.forEach(({ weights }, index) => {
      expect(one[index]).toHaveLength(weights.filter(Boolean).length)
      expect(largestDifference(one[index]!, all[index]!)).toBeLessThan(1e-4)
    })
  })

  it('scores nothing of no sequences, and gives its memory back', async () => {
    const before = tf.memory().numTensors
    expect(await scoreSequences(policy, [], 4, 1, hooks)).toEqual([])
    await scoreSequences(policy, rows, 4, 1, hooks)
    expect(tf.memory().numTensors).toBe(before)
  })
})
