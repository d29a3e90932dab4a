/**
 * @file Answers to prompts, many at a time, with a key-value cache; a finished row makes room for a waiting prompt. Each
 * prompt draws from a random sequence of its own, so that what it is batched with does not change its answer.
 */
import { LmFailure } from '../failure.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { createRandom, type SeededRandom } from '../random.ts'
import { type Tensor, tf } from '../tensor/tf.ts'
import { KeyValueCache } from './cache.ts'
import type { DecodePrecision } from './operations.ts'
import { inOrder, readCommon, readPrompts, readTogether } from './prefill.ts'
import { type Picked, pick, type Sampling } from './sampling.ts'
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

  /** @throws LmFailure `unsupported-precision` */
  constructor(parameters: DecoderParameters, precision: DecodePrecision = 'fp32') {
    this.#parameters = parameters
    this.#steps = new DecodingSteps(parameters, precision)
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
    if (prompts.length === 0) return []
    const answers = prompts.map(() => ({ ids: [] as number[], logps: [] as number[], finished: false }))
    const stops = new Set(settings.stopIds)
    const startMs = performance.now()
    let decoded = 0
    let closed = 0
    const pause = async () => {
      await new Promise((resolve) => setImmediate(resolve))
      hooks.signal?.throwIfAborted()
    }

    const common = await readCommon(steps, config, prompts, pause)
    const offset = common?.length ?? 0
    // Prompts that begin alike are read together.
    const waiting = inOrder(prompts)
    const rows: Row[] = []
    const cache = new KeyValueCache(config, Math.min(settings.batchSize, prompts.length), offset)
    for (;;) {
      const free = settings.batchSize - rows.length
      if (
        waiting.length > 0 &&
        (rows.length === 0 || free >= Math.min(waiting.length, settings.batchSize / 4))
      ) {
        const admitted = waiting.splice(0, readTogether(waiting, prompts, free, offset))
        const suffixes = admitted.map((index) => prompts[index]!.slice(offset))
        const read = await readPrompts(steps, config, suffixes, common, pause)
        const begun = admitted.map((index) => ({
          index,
          random: createRandom(`generate ${settings.seed} ${index}`),
        }))
        const hidden = tf.tensor2d(read.hidden, [begun.length, config.hiddenSize])
        const open = take(begun, hidden)
        begun.forEach((row, place) => {
          if (!open[place]) return
          cache.add(read.runs[place]!)
          rows.push(row)
        })
      } else {
        const last = rows.map(({ index }) => answers[index]!.ids.at(-1)!)
        const open = take(rows, steps.decode(last, cache, common))
        for (let row = rows.length - 1; row >= 0; row--) {
          if (open[row]) continue
          cache.remove(row)
          rows[row] = rows.at(-1)!
          rows.pop()
        }
      }
      const tokensPerSecond = decoded / ((performance.now() - startMs) / 1000)
      hooks.progress?.({ prompts: closed, tokens: decoded, tokensPerSecond })
      await pause()
      if (rows.length === 0 && waiting.length === 0) return answers
    }

    /** The next token of each row, from hidden states that it disposes; whether each row goes on. */
    function take(chosen: readonly Row[], hidden: Tensor): boolean[] {
      const picked = choose(chosen, hidden)
      return chosen.map(({ index }, row) => {
        const { id, logp } = picked[row]!
        const answer = answers[index]!
        answer.ids.push(id)
        answer.logps.push(logp)
        decoded++
        hooks.token?.(index, id)
        answer.finished = stops.has(id)
        const open = !answer.finished && answer.ids.length < room[index]!
        if (!open) closed++
        return open
      })
    }

    function choose(chosen: readonly Row[], hidden: Tensor): Picked[] {
      if (settings.temperature === 0) {
        const { ids, logps } = steps.greedy(hidden)
        return chosen.map((_, row) => ({ id: ids[row]!, logp: logps[row]! }))
      }
      const weights = steps.weights(hidden, settings.temperature)
      return chosen.map(({ random }, row) =>
        pick(weights, row * vocabularySize, vocabularySize, settings, random),
      )
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

/** A prompt that is being answered. */
interface Row {
  readonly index: number
  readonly random: SeededRandom
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
