/** @file Answers of a fixed number of tokens to prompts of token ids: greedy or sampled, the first call for warming up. */
import { Generator } from '../../../lm/generate/generate.ts'
import type { DecodePrecision } from '../../../lm/generate/operations.ts'
import { loadModel } from '../../../lm/model/model.ts'
import { startDevice } from '../../../lm/tensor/device.ts'
import { median, readSettings, report } from './measure.ts'

interface Settings {
  readonly model: string
  readonly threads: number
  readonly prompts: readonly (readonly number[])[]
  readonly tokens: number
  /** 0 is greedy. */
  readonly temperature: number
  readonly top_p: number
  /** Rows that are decoded together. */
  readonly batch: number
  readonly precision?: DecodePrecision
  /** Times that are measured. */
  readonly repeats: number
}

export async function main(argv: readonly string[]): Promise<number> {
  const { model: folder, threads, prompts, repeats, ...rest } = readSettings<Settings>(argv)
  await startDevice('cpu', threads)
  const { config, weights } = loadModel(folder)
  const generator = new Generator({ config, weights }, rest.precision)
  const settings = {
    temperature: rest.temperature,
    topP: rest.top_p,
    topK: 0,
    maxNewTokens: rest.tokens,
    stopIds: [],
    seed: 0,
    batchSize: rest.batch,
  }
  const seconds: number[] = []
  let answers: number[][] = []
  for (let repeat = 0; repeat <= repeats; repeat++) {
    const startMs = performance.now()
    answers = (await generator.generate(prompts, settings)).map(({ ids }) => ids)
    seconds.push((performance.now() - startMs) / 1000)
  }
  const usual = median(seconds.slice(1))
  const generated = answers.reduce((sum, ids) => sum + ids.length, 0)
  const read = prompts.reduce((sum, ids) => sum + ids.length, 0)
  return report({
    figures: {
      'time, s': usual,
      ...(rest.tokens === 1 ? { 'prompt tokens/s': read / usual } : { 'tokens/s': generated / usual }),
      'first time beyond that, s': seconds[0]! - usual,
    },
    ...(rest.temperature === 0 && { answers }),
  })
}
