/** @file Loss, metrics and gradient of a micro-batch as one compiled function, a graph for each shape. */
import type { DecoderConfig } from '../model/config.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { type Jitted, jit } from '../tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import { causalArrays, upload } from './batch.ts'
import { scoreLabels } from './forward.ts'
import type { MicroBatch, Objective } from './objective.ts'
import type { ParameterLayout } from './trainable.ts'

/** How the trained tensors, by name, enter the model. */
export type Assemble = (trained: TensorMap) => DecoderParameters

export interface GradientSettings {
  readonly config: DecoderConfig
  readonly assemble: Assemble
  readonly layout: ParameterLayout
  readonly objective: Objective
  /** Divides the vocabulary scores. @default 1 */
  readonly temperature?: number | undefined
}

export interface Measured {
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
}

const metricPrefix = 'metric '

export class CompiledGradient {
  private readonly settings: GradientSettings
  /** One for each number of sequences: it is no tensor's shape. */
  private readonly bySequences = new Map<number, Jitted<TensorMap, TensorMap>>()
  /** Rotary table and mask by padded length. */
  private readonly causal = new Map<number, TensorMap>()

  constructor(settings: GradientSettings) {
    this.settings = settings
  }

  /**
   * @param p the parameters under training, [layout.size]
   * @param accumulated [layout.size]; stays the caller's
   * @returns `g`, accumulated + the micro-batch's gradient: a fresh tensor
   */
  run(batch: MicroBatch, p: Tensor, accumulated: Tensor): Measured & { readonly g: Tensor } {
    const { config } = this.settings
    const compiled = this.bySequences.get(batch.sequences) ?? this.compile(batch.sequences)
    this.bySequences.set(batch.sequences, compiled)
    const causal = this.causal.get(batch.length) ?? upload(causalArrays(config, batch.length))
    this.causal.set(batch.length, causal)
    const arrays = upload(batch.arrays)
    const { g, loss, ...rest } = compiled({ ...arrays, ...causal, p, accumulated })
    const metrics: Record<string, number> = {}
    for (const [name, tensor] of Object.entries(rest))
      metrics[name.slice(metricPrefix.length)] = tensor.dataSync()[0]!
    const value = loss!.dataSync()[0]!
    tf.dispose([...Object.values(arrays), ...Object.values(rest), loss!])
    return { g: g!, loss: value, metrics }
  }

  dispose(): void {
    for (const compiled of this.bySequences.values()) compiled.dispose()
    for (const causal of this.causal.values()) tf.dispose(causal)
  }

  private compile(sequences: number): Jitted<TensorMap, TensorMap> {
    const { assemble, layout, objective, temperature = 1 } = this.settings
    return jit(({ p, accumulated, ...batch }: TensorMap) => {
      const parts = layout.split(p!)
      const metrics: TensorMap = {}
      const lossOf = (...values: Tensor[]) => {
        const trained = Object.fromEntries(layout.names.map((name, index) => [name, values[index]!]))
        const scores = scoreLabels(assemble(trained), batch, sequences, temperature)
        const outcome = objective(scores, batch)
        // `valueAndGrads` disposes whatever it does not return.
        for (const [name, tensor] of Object.entries(outcome.metrics))
          metrics[metricPrefix + name] = tf.keep(tensor)
        return outcome.loss as tf.Scalar
      }
      const inputs = layout.names.map((name) => parts[name]!)
      const { value, grads } = tf.valueAndGrads(lossOf)(inputs)
      const flat = tf.concat(grads.map((gradient) => tf.reshape(gradient, [-1])))
      const results: TensorMap = { loss: value, g: tf.add(accumulated!, flat) }
      for (const [name, kept] of Object.entries(metrics)) {
        results[name] = tf.clone(kept)
        kept.dispose()
      }
      return results
    })
  }
}
