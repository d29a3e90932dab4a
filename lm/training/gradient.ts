/** @file Loss, metrics and gradient of a micro-batch as one compiled function, a graph for each shape. */
import type { DecoderParameters, Recompute } from '../model/decoder.ts'
import { type HostBatch, openSizesOf, upload } from '../tensor/host-tensor.ts'
import { type Jitted, jit } from '../tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import { scoreLabels } from './forward.ts'
import type { MicroBatch, Objective } from './objective.ts'
import type { ParameterLayout } from './trainable.ts'

/** How the trained tensors, by name, enter the model; `batch` may say how for this micro-batch. */
export type Assemble = (trained: TensorMap, batch: TensorMap) => DecoderParameters

export interface GradientSettings {
  readonly assemble: Assemble
  readonly layout: ParameterLayout
  readonly objective: Objective
  /** Divides the vocabulary scores. @default 1 */
  readonly temperature?: number | undefined
  /** As in `DecoderParameters`. @default false */
  readonly gradientCheckpointing?: boolean | undefined
  /** @default nothing */
  readonly recompute?: Recompute | undefined
}

export interface Measured {
  readonly loss: number
  readonly metrics: Readonly<Record<string, number>>
}

const metricPrefix = 'metric '

export class CompiledGradient {
  readonly #settings: GradientSettings
  #withGradient: Jitted<TensorMap, TensorMap> | undefined
  #withoutGradient: Jitted<TensorMap, TensorMap> | undefined

  constructor(settings: GradientSettings) {
    this.#settings = settings
  }

  /**
   * @param p the parameters under training, [layout.size]
   * @param accumulated [layout.size]; taken over
   * @returns `g`, accumulated + the micro-batch's gradient: a fresh tensor
   */
  run(batch: MicroBatch, p: Tensor, accumulated: Tensor): Measured & { readonly g: Tensor } {
    this.#withGradient ??= this.#compile(batch.arrays)
    const { g, ...rest } = call(this.#withGradient, batch, { p, accumulated })
    return { g: g!, ...toHost(rest) }
  }

  /** The same numbers without a gradient. */
  measure(batch: MicroBatch, p: Tensor): Measured {
    this.#withoutGradient ??= this.#compileValue(batch.arrays)
    return toHost(call(this.#withoutGradient, batch, { p }))
  }

  dispose(): void {
    this.#withGradient?.dispose()
    this.#withoutGradient?.dispose()
  }

  #outcomeOf(trained: TensorMap, batch: TensorMap) {
    const { assemble, objective, temperature = 1, gradientCheckpointing, recompute } = this.#settings
    const own = { gradientCheckpointing, ...(recompute && { recompute }) }
    const parameters = { ...assemble(trained, batch), ...own }
    return objective(scoreLabels(parameters, batch, temperature), batch)
  }

  #compile(arrays: HostBatch): Jitted<TensorMap, TensorMap> {
    const { layout } = this.#settings
    return jit(
      ({ p, accumulated, ...batch }: TensorMap) => {
        const parts = layout.split(p!)
        const metrics: TensorMap = {}
        const lossOf = (...values: Tensor[]) => {
          const trained = Object.fromEntries(layout.names.map((name, index) => [name, values[index]!]))
          const outcome = this.#outcomeOf(trained, batch)
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
      },
      { name: 'gradient', donate: ['accumulated'], openSizes: openSizesOf(arrays) },
    )
  }

  #compileValue(arrays: HostBatch): Jitted<TensorMap, TensorMap> {
    const { layout } = this.#settings
    return jit(
      ({ p, ...batch }: TensorMap) => {
        const { loss, metrics } = this.#outcomeOf(layout.split(p!), batch)
        const named = Object.entries(metrics).map(([name, tensor]) => [metricPrefix + name, tensor])
        return { loss, ...Object.fromEntries(named) } as TensorMap
      },
      { name: 'loss', openSizes: openSizesOf(arrays) },
    )
  }
}

function call(compiled: Jitted<TensorMap, TensorMap>, batch: MicroBatch, parameters: TensorMap): TensorMap {
  const arrays = upload(batch.arrays)
  const results = compiled({ ...arrays, ...parameters })
  tf.dispose(arrays)
  return results
}

/** Reads and disposes the scalars. */
function toHost({ loss, ...metrics }: TensorMap): Measured {
  const values = Object.entries(metrics).map(([name, tensor]) => [
    name.slice(metricPrefix.length),
    tensor.dataSync()[0]!,
  ])
  const measured = {
    loss: loss!.dataSync()[0]!,
    metrics: Object.fromEntries(values) as Record<string, number>,
  }
  tf.dispose([loss!, ...Object.values(metrics)])
  return measured
}
