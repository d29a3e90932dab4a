/**
 * @file Which prompts an online run samples for, when, and which of their completions each update learns from. As in
 * TRL: a generation batch of micro-batch size x `stepsPerGeneration` completions is split into micro-batches, and all
 * of them are gone through `iterations` times before the policy is asked again. A function of the settings alone, so
 * that a resumed run repeats it.
 */
import { LmFailure } from '../failure.ts'
import { createRandom } from '../random.ts'

export interface RolloutSettings {
  readonly epochs: number
  /** Ends the training early, whatever the epochs. */
  readonly maxSteps?: number | undefined
  /** Completions a micro-batch. */
  readonly batchSize: number
  /** Micro-batches an update. */
  readonly accumulation: number
  /** Micro-batches a generation batch. */
  readonly stepsPerGeneration: number
  /** How often a generation batch is gone through. */
  readonly iterations: number
  /** Completions a prompt. */
  readonly generations: number
  readonly seed: number
  /** false keeps the order of prompts and of completions. */
  readonly shuffle: boolean
}

/** A micro-batch: part `part` of generation batch `generation`, both from 0. */
export interface RolloutPart {
  readonly generation: number
  readonly part: number
}

export class RolloutSchedule {
  /** Updates in all. */
  readonly total: number
  /** Prompts of a generation batch. */
  readonly promptsABatch: number
  /** Prompts that an epoch leaves out: they do not fill a generation batch. */
  readonly leftOut: number
  /**
   * Whether each generation batch serves one update only. The ratio to the policy that sampled is then exactly 1 and
   * its log-probabilities need not be known.
   */
  readonly isOnPolicy: boolean
  readonly #settings: RolloutSettings
  readonly #prompts: number
  readonly #batchesAnEpoch: number
  readonly #updatesAnEpoch: number

  /**
   * @param prompts how many there are
   * @throws LmFailure `uneven-groups`, `too-few-prompts`
   */
  constructor(prompts: number, settings: RolloutSettings) {
    const { batchSize, stepsPerGeneration, iterations, generations, accumulation } = settings
    const completions = batchSize * stepsPerGeneration
    if (completions % generations !== 0) {
      throw new LmFailure({
        code: 'uneven-groups',
        message: `a generation batch of ${completions} completions is no multiple of the ${generations} of each prompt`,
        hint: '`batch_size` x `steps_per_generation` must be a multiple of `num_generations`',
      })
    }
    this.#settings = settings
    this.#prompts = prompts
    this.promptsABatch = completions / generations
    this.#batchesAnEpoch = Math.floor(prompts / this.promptsABatch)
    if (this.#batchesAnEpoch === 0) {
      throw new LmFailure({
        code: 'too-few-prompts',
        message: `a generation batch takes ${this.promptsABatch} prompts, and there are ${prompts}`,
        hint: 'give more prompts, or lower `batch_size` or `steps_per_generation`',
      })
    }
    this.leftOut = prompts % this.promptsABatch
    this.#updatesAnEpoch = Math.ceil(this.#microBatchesAnEpoch / accumulation)
    this.total = Math.min(
      settings.maxSteps ?? Number.POSITIVE_INFINITY,
      this.#updatesAnEpoch * settings.epochs,
    )
    this.isOnPolicy = accumulation % (stepsPerGeneration * iterations) === 0
  }

  get #microBatchesAnEpoch(): number {
    const { stepsPerGeneration, iterations } = this.#settings
    return this.#batchesAnEpoch * stepsPerGeneration * iterations
  }

  /** The micro-batches of an update, 0-based; the last update of an epoch may have fewer. */
  microBatches(update: number): RolloutPart[] {
    const { accumulation, stepsPerGeneration, iterations } = this.#settings
    const epoch = Math.floor(update / this.#updatesAnEpoch)
    const first = (update % this.#updatesAnEpoch) * accumulation
    const end = Math.min(first + accumulation, this.#microBatchesAnEpoch)
    return Array.from({ length: end - first }, (_, offset) => {
      const inEpoch = Math.floor((first + offset) / (stepsPerGeneration * iterations))
      return {
        generation: epoch * this.#batchesAnEpoch + inEpoch,
        part: (first + offset) % stepsPerGeneration,
      }
    })
  }

  /** Epochs done after so many updates. */
  epochsAfter(updates: number): number {
    const epochs = Math.floor(updates / this.#updatesAnEpoch)
    const inEpoch = (updates % this.#updatesAnEpoch) * this.#settings.accumulation
    return epochs + inEpoch / this.#microBatchesAnEpoch
  }

  /** The prompts of a generation batch, as indices; each is to be answered `generations` times. */
  prompts(generation: number): number[] {
    const { seed, shuffle } = this.#settings
    const epoch = Math.floor(generation / this.#batchesAnEpoch)
    const indices = Array.from({ length: this.#prompts }, (_, index) => index)
    const order = shuffle ? createRandom(`order ${seed} ${epoch}`).shuffle(indices) : indices
    const start = (generation % this.#batchesAnEpoch) * this.promptsABatch
    return order.slice(start, start + this.promptsABatch)
  }

  /** A generation batch's completions in the order of training, cut into its micro-batches. */
  parts<Completion>(generation: number, completions: readonly Completion[]): Completion[][] {
    const { batchSize, seed, shuffle, stepsPerGeneration } = this.#settings
    const order = shuffle
      ? createRandom(`completions ${seed} ${generation}`).shuffle(completions)
      : [...completions]
    return Array.from({ length: stepsPerGeneration }, (_, part) =>
      order.slice(part * batchSize, (part + 1) * batchSize),
    )
  }
}
