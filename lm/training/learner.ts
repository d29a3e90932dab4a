/**
 * @file The parameters under training and everything that moves them: gradients accumulated over micro-batches, then
 * one AdamW update. Which batches come, in which order and at which rate is the caller's business.
 */
import { type Jitted, jit } from '../tensor/jit.ts'
import { type Tensor, tf } from '../tensor/tf.ts'
import { type AdamWArguments, type AdamWResults, type AdamWSettings, adamWUpdate } from './adamw.ts'
import { CompiledGradient, type GradientSettings, type Measured } from './gradient.ts'
import { notANumber } from './not-a-number.ts'
import type { MicroBatch } from './objective.ts'

export interface LearnerSettings extends GradientSettings {
  readonly optimizer: AdamWSettings
  /** Whether weight decay applies to a parameter. @default all */
  readonly isDecayed?: ((name: string, shape: readonly number[]) => boolean) | undefined
}

/** Enough to go on bit for bit. Vectors are [parameters]. */
export interface LearnerState {
  /** Updates done. */
  readonly step: number
  readonly parameters: Float32Array
  readonly firstMoment: Float32Array
  readonly secondMoment: Float32Array
}

export function initialState(parameters: Float32Array): LearnerState {
  const zeros = () => new Float32Array(parameters.length)
  return { step: 0, parameters, firstMoment: zeros(), secondMoment: zeros() }
}

/** What an update was made of: loss and metrics summed over its micro-batches. */
export interface Update extends Measured {
  readonly tokens: number
  /** Before clipping. */
  readonly gradientNorm: number
}

export class Learner {
  readonly #settings: LearnerSettings
  readonly #gradient: CompiledGradient
  readonly #optimize: Jitted<AdamWArguments, AdamWResults>
  readonly #decayed: Tensor
  readonly #zeros: Tensor
  #p: Tensor
  #m: Tensor
  #v: Tensor
  #g: Tensor
  #step: number
  #loss = 0
  #tokens = 0
  #metrics: Record<string, number> = {}

  constructor(settings: LearnerSettings, start: LearnerState) {
    this.#settings = settings
    this.#gradient = new CompiledGradient(settings)
    this.#optimize = jit((args: AdamWArguments) => adamWUpdate(settings.optimizer, args), {
      name: 'update',
      donate: ['p', 'g', 'm', 'v', 'rate', 'correction1', 'correction2'],
    })
    // Tensors may hold on to the array that they are made of.
    this.#p = tf.tensor1d(start.parameters.slice())
    this.#m = tf.tensor1d(start.firstMoment.slice())
    this.#v = tf.tensor1d(start.secondMoment.slice())
    this.#decayed = tf.tensor1d(settings.layout.indicator(settings.isDecayed ?? (() => true)))
    this.#zeros = tf.zeros([settings.layout.size])
    this.#g = tf.clone(this.#zeros)
    this.#step = start.step
  }

  /** Updates done. */
  get updates(): number {
    return this.#step
  }

  /** Adds a micro-batch's gradient to those of the coming update. */
  accumulate(batch: MicroBatch): Measured {
    const { g, loss, metrics } = this.#gradient.run(batch, this.#p, this.#g)
    this.#g = g
    this.#loss += loss
    this.#tokens += batch.tokens
    for (const [name, value] of Object.entries(metrics))
      this.#metrics[name] = (this.#metrics[name] ?? 0) + value
    return { loss, metrics }
  }

  /** Loss and metrics of a micro-batch; moves nothing. */
  measure(batch: MicroBatch): Measured {
    return this.#gradient.measure(batch, this.#p)
  }

  /**
   * Moves the parameters along the accumulated gradient.
   * @throws LmFailure `not-a-number`; the parameters are worthless afterwards
   */
  update(learningRate: number): Update {
    if (!Number.isFinite(this.#loss)) throw notANumber('loss', this.#loss, this.#step + 1)
    const { beta1, beta2 } = this.#settings.optimizer
    const scalars = {
      rate: tf.scalar(learningRate),
      correction1: tf.scalar(1 - beta1 ** (this.#step + 1)),
      correction2: tf.scalar(Math.sqrt(1 - beta2 ** (this.#step + 1))),
    }
    const moved = { p: this.#p, g: this.#g, m: this.#m, v: this.#v }
    const next = this.#optimize({ ...moved, decayed: this.#decayed, ...scalars })
    const gradientNorm = next.norm.dataSync()[0]!
    next.norm.dispose()
    this.#p = next.p
    this.#m = next.m
    this.#v = next.v
    this.#g = tf.clone(this.#zeros)
    this.#step++
    // Such an update has spoilt the parameters: it must neither be saved nor pass for a result.
    if (!Number.isFinite(gradientNorm)) throw notANumber('gradient', gradientNorm, this.#step)
    const summed = { loss: this.#loss, tokens: this.#tokens, metrics: this.#metrics }
    this.#loss = 0
    this.#tokens = 0
    this.#metrics = {}
    return { ...summed, gradientNorm }
  }

  /** A copy of the parameters, [parameters]. */
  parameters(): Float32Array {
    return Float32Array.from(this.#p.dataSync())
  }

  /** The state between two updates; valid until the next one. */
  state(): LearnerState {
    return {
      step: this.#step,
      parameters: this.#p.dataSync() as Float32Array,
      firstMoment: this.#m.dataSync() as Float32Array,
      secondMoment: this.#v.dataSync() as Float32Array,
    }
  }

  dispose(): void {
    tf.dispose([this.#p, this.#m, this.#v, this.#g, this.#decayed, this.#zeros])
    this.#gradient.dispose()
    this.#optimize.dispose()
  }
}
