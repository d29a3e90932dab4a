/**
 * @file Low-rank adapters (arXiv 2106.09685) in PEFT's layout: y = W x + scaling * B (A x), A [r, in], B [out, r],
 * scaling = alpha / r, or alpha / sqrt(r) for rsLoRA.
 */
import { createRandom } from '../random.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import type { DecoderConfig } from './config.ts'
import { names, type Projection, projectionShape, projections, shortName } from './layout.ts'

export interface LoraSettings {
  readonly r: number
  readonly alpha: number
  /** Short names of the adapted projections. */
  readonly targets: readonly string[]
  readonly rslora: boolean
}

export const allTargets: readonly string[] = projections.map(shortName)

export function scalingOf({ r, alpha, rslora }: LoraSettings): number {
  return alpha / (rslora ? Math.sqrt(r) : r)
}

/** PEFT's name of one LoRA matrix. */
export function loraName(module: string, matrix: 'A' | 'B'): string {
  return `base_model.model.${module}.lora_${matrix}.weight`
}

/** scaling * B (A x) of a module, x [rows, in]; undefined where the module is not adapted. */
export function adapterDelta(
  tensors: TensorMap,
  scaling: number,
  module: string,
  x: Tensor,
): Tensor | undefined {
  const a = tensors[loraName(module, 'A')]
  const b = tensors[loraName(module, 'B')]
  if (a === undefined || b === undefined) return undefined
  return tf.mul(tf.matMul(tf.matMul(x, a, false, true), b, false, true), scaling)
}

export interface LoraMatrix {
  readonly shape: number[]
  readonly data: Float32Array
}

/** The adapted modules of a decoder, in a fixed order. */
export function adaptedModules(
  config: DecoderConfig,
  targets: readonly string[],
): { readonly module: string; readonly projection: Projection }[] {
  const chosen = projections.filter((projection) => targets.includes(shortName(projection)))
  return Array.from({ length: config.layers }, (_, layer) =>
    chosen.map((projection) => ({ module: names.module(layer, projection), projection })),
  ).flat()
}

/** A fresh adapter: A uniform in +-1/sqrt(in) (Kaiming with a = sqrt 5), B zero, so that it changes nothing yet. */
export function initialAdapter(
  config: DecoderConfig,
  settings: LoraSettings,
  seed: number,
): Map<string, LoraMatrix> {
  const random = createRandom(`lora ${seed}`)
  const matrices = new Map<string, LoraMatrix>()
  for (const { module, projection } of adaptedModules(config, settings.targets)) {
    const [out, input] = projectionShape(config, projection)
    const bound = 1 / Math.sqrt(input)
    const a = Float32Array.from({ length: settings.r * input }, () => (2 * random.next() - 1) * bound)
    matrices.set(loraName(module, 'A'), { shape: [settings.r, input], data: a })
    matrices.set(loraName(module, 'B'), {
      shape: [out, settings.r],
      data: new Float32Array(out * settings.r),
    })
  }
  return matrices
}
