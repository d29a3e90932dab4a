/**
 * @file Answers to prompts, in batches with a key-value cache. Each prompt draws from a random sequence of its own,
 * so that what it is batched with does not change its answer.
 */

import { bucketLength } from '../batches/buckets.ts'
import { LmFailure } from '../failure.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { createRandom } from '../random.ts'
import { KeyValueCache } from './cache.ts'
import { pick, type Sampling } from './sampling.ts'
import { DecodingSteps } from './steps.ts'

export interface GenerationSettings extends Sampling {
  readonly maxNewTokens: number
  readonly stopIds: readonly number[]
  readonly seed: number | string
  /** Rows decoded together. */
  readonly batchSize: number
}

export interface GenerationHooks {
  readonly signal?: AbortSignal
  /** Called after each step. */
  progress?(done: {
    readonly prompts: number
    readonly tokens: number
    readonly tokensPerSecond: number
  }): void
  /** Called with each token of each prompt as it is decoded. */
  token?(prompt: number, id: number): void
}

export interface Generated {
  /** The end token included, where the answer ended by itself. */
  readonly ids: number[]
  readonly logps: number[]
  readonly finished: boolean
}

/** Generation with one policy, call after call: what is compiled for a shape once serves until it is disposed. */
export class Generator {
  readonly #parameters: DecoderParameters
  readonly #steps: DecodingSteps

  constructor(parameters: DecoderParameters) {
    this.#parameters = parameters
    this.#steps = new DecodingSteps(parameters)
  }

  /**
   * @param prompts token ids; none empty
   * @returns one answer a prompt, in the prompts' order
   * @throws LmFailure `prompt-too-long` where a prompt fills the model's positions
   */
  async generate(
    prompts: readonly (readonly number[])[],
    settings: GenerationSettings,
    hooks: GenerationHooks = {},
  ): Promise<Generated[]> {
    const { config } = this.#parameters
    const { vocabularySize, maxPositions } = config
    const steps = this.#steps
    // An answer ends at the latest where the model's positions do.
    const room = prompts.map((prompt, index) => {
      if (prompt.length < maxPositions) return Math.min(settings.maxNewTokens, maxPositions - prompt.length)
      throw new LmFailure({
        code: 'prompt-too-long',
        message: `prompt ${index + 1} has ${prompt.length} tokens; the model has ${maxPositions} positions`,
        hint: 'shorten the prompt: at least one position must be left for the answer',
      })
    })
    const answers = prompts.map(() => ({ ids: [] as number[], logps: [] as number[], finished: false }))
    const stops = new Set(settings.stopIds)
    // Prompts of like length share a batch: little padding.
    const order = prompts.map((_, index) => index).sort((a, b) => prompts[a]!.length - prompts[b]!.length)
    let decoded = 0
    let finishedBefore = 0
    const startMs = performance.now()
    for (let start = 0; start < order.length; start += settings.batchSize) {
      await answerBatch(order.slice(start, start + settings.batchSize))
    }
    return answers

    async function answerBatch(batch: readonly number[]): Promise<void> {
      const length = bucketLength(Math.max(...batch.map((index) => prompts[index]!.length)))
      const capacity = bucketLength(length + Math.max(...batch.map((index) => room[index]!)))
      const cache = new KeyValueCache(config, batch.length, capacity)
      const randoms = batch.map((index) => createRandom(`generate ${settings.seed} ${index}`))
      const open = batch.map(() => true)
      let scores = steps.prefill(
        batch.map((index) => prompts[index]!),
        length,
        cache,
      )
      for (;;) {
        const next = new Int32Array(batch.length)
        batch.forEach((index, row) => {
          if (!open[row]) return
          const { id, logp } = pick(scores, row * vocabularySize, vocabularySize, settings, randoms[row]!)
          const answer = answers[index]!
          answer.ids.push(id)
          answer.logps.push(logp)
          decoded++
          next[row] = id
          hooks.token?.(index, id)
          answer.finished = stops.has(id)
          open[row] = !answer.finished && answer.ids.length < room[index]!
        })
        const closed = open.filter((each) => !each).length
        const tokensPerSecond = decoded / ((performance.now() - startMs) / 1000)
        hooks.progress?.({ prompts: finishedBefore + closed, tokens: decoded, tokensPerSecond })
        await new Promise((resolve) => setImmediate(resolve))
        hooks.signal?.throwIfAborted()
        if (closed === batch.length) break
        scores = steps.decode(next, cache)
      }
      finishedBefore += batch.length
    }
  }

  /** Graphs compiled so far. */
  get traces(): number {
    return this.#steps.traces
  }

  dispose(): void {
    this.#steps.dispose()
  }
}

/** Answers of a policy that is asked once; see `Generator`. */
export async function generate(
  parameters: DecoderParameters,
  prompts: readonly (readonly number[])[],
  settings: GenerationSettings,
  hooks: GenerationHooks = {},
): Promise<Generated[]> {
  const generator = new Generator(parameters)
  try {
    return await generator.generate(prompts, settings, hooks)
  } finally {
    generator.dispose()
  }
}
