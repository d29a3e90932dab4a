/**
 * @file Low-rank adapters in PEFT's layout. LoRA (arXiv 2106.09685): y = W x + scaling * B (A x), A [r, in], B [out, r].
 * DoRA (arXiv 2402.09353): y = m / |V| * V x with V = W + scaling * B A and |V| [out] the norms of its rows, which count
 * as constants in the gradient; m [out] is trained.
 */
import { loraName } from '../checkpoint/peft.ts'
import { createRandom } from '../random.ts'
import { differentiable } from '../tensor/differentiable.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import type { DecoderConfig } from './config.ts'
import { projectionShape } from './layout.ts'
import type { LoraModule } from './lora-modules.ts'

export type { LoraSettings } from '../checkpoint/peft-config.ts'

/** LoRA without anything special about it. */
export const plainLora = { rslora: false, dora: false, dropout: 0 } as const

/** An adapter as the forward pass reads it. */
export interface DecoderAdapter {
  /** By PEFT's names. */
  readonly tensors: TensorMap
  /** Factor on B (A x), by module. */
  readonly scalings: ReadonlyMap<string, number>
  /** What the adapter sees of a module's input x [rows, in]: dropout, in training. @default all of it */
  readonly drop?: ((module: string, x: Tensor) => Tensor) | undefined
}

export interface LoraMatrix {
  readonly shape: number[]
  readonly data: Float32Array
}

export function scalingsOf(modules: readonly LoraModule[]): Map<string, number> {
  return new Map(modules.map(({ module, scaling }) => [module, scaling]))
}

/**
 * What a module makes of its input with an adapter, without a bias. With dropout DoRA scales W x of the inputs that are
 * left, as PEFT does: y = W x - W x' + m / |V| * (W x' + scaling * B (A x')).
 * @param x [rows, in]
 * @param weight W [out, in]
 * @returns [rows, out]; W x where the module is not adapted
 */
export function adapt(
  { tensors, scalings, drop }: DecoderAdapter,
  module: string,
  x: Tensor,
  weight: Tensor,
): Tensor {
  const scaling = scalings.get(module)
  if (scaling === undefined) return tf.matMul(x, weight, false, true)
  const [a, b] = [tensors[loraName(module, 'A')]!, tensors[loraName(module, 'B')]!]
  const magnitude = tensors[loraName(module, 'magnitude')]
  if (magnitude === undefined && drop === undefined) return lowRankProduct(x, weight, a, b, scaling)
  const y = tf.matMul(x, weight, false, true)
  const seen = drop === undefined ? x : drop(module, x)
  const delta = tf.mul(tf.matMul(tf.matMul(seen, a, false, true), b, false, true), scaling)
  if (magnitude === undefined) return tf.add(y, delta)
  const factor = tf.div(magnitude, rowNorms(weight, a, b, scaling))
  if (seen === x) return tf.mul(tf.add(y, delta), factor)
  const left = tf.matMul(seen, weight, false, true)
  return tf.add(tf.sub(y, left), tf.mul(tf.add(left, delta), factor))
}

/** W x + scaling * B (A x): x [rows, in], W [out, in], A [r, in], B [out, r]. */
function lowRankProduct(x: Tensor, weight: Tensor, a: Tensor, b: Tensor, scaling: number): Tensor {
  return differentiable(
    { x, weight, a, b },
    (save) => {
      const low = tf.mul(tf.matMul(x, a, false, true), scaling)
      save([x, weight, a, b, low])
      return tf.add(tf.matMul(x, weight, false, true), tf.matMul(low, b, false, true))
    },
    (dy, saved) => {
      const [x, weight, a, b, low] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor]
      const dLow = tf.mul(tf.matMul(dy, b), scaling)
      return {
        x: () => tf.add(tf.matMul(dy, weight), tf.matMul(dLow, a)),
        weight: () => tf.matMul(dy, x, true),
        a: () => tf.matMul(dLow, x, true),
        b: () => tf.matMul(dy, low, true),
      }
    },
  )
}

/** |W + scaling * B A| by row, [out]; the gradient stops here, and the product is not differentiated for nothing. */
function rowNorms(weight: Tensor, a: Tensor, b: Tensor, scaling: number): Tensor {
  const compute = tf.customGrad((a, b) => ({
    value: norms(sum(weight, a as Tensor, b as Tensor, scaling)),
    gradFunc: () => [tf.zerosLike(a as Tensor), tf.zerosLike(b as Tensor)],
  }))
  return compute(a, b)
}

function sum(weight: Tensor, a: Tensor, b: Tensor, scaling: number): Tensor {
  return tf.add(weight, tf.mul(tf.matMul(b, a), scaling))
}

function norms(matrix: Tensor): Tensor {
  return tf.sqrt(tf.sum(tf.square(matrix), 1))
}

/**
 * The weight that does what the module and its adapter do together: W + scaling * B A, with DoRA m / |V| * V of it.
 * @param weight W [out, in]
 * @returns [out, in]
 */
export function mergedWeight(
  weight: Tensor,
  part: Readonly<Record<'A' | 'B', Tensor>> & { readonly magnitude?: Tensor | undefined },
  scaling: number,
): Tensor {
  return tf.tidy(() => {
    const merged = sum(weight, part.A, part.B, scaling)
    if (part.magnitude === undefined) return merged
    return tf.mul(merged, tf.expandDims(tf.div(part.magnitude, norms(merged)), 1))
  })
}

/**
 * The matrices of a fresh adapter, which changes nothing yet: A uniform in +-1/sqrt(in) (Kaiming with a = sqrt 5), B
 * zero.
 */
export function initialMatrices(
  config: DecoderConfig,
  modules: readonly LoraModule[],
  seed: number,
): Map<string, LoraMatrix> {
  const random = createRandom(`lora ${seed}`)
  const matrices = new Map<string, LoraMatrix>()
  for (const { module, projection, r } of modules) {
    const [out, input] = projectionShape(config, projection)
    const bound = 1 / Math.sqrt(input)
    const a = Float32Array.from({ length: r * input }, () => (2 * random.next() - 1) * bound)
    matrices.set(loraName(module, 'A'), { shape: [r, input], data: a })
    matrices.set(loraName(module, 'B'), { shape: [out, r], data: new Float32Array(out * r) })
  }
  return matrices
}

/** The magnitudes that DoRA starts from while B is zero: the norms of the weights' rows. */
export function initialMagnitudes(
  modules: readonly LoraModule[],
  weightOf: (module: string) => Tensor,
): Map<string, LoraMatrix> {
  return new Map(
    modules.map(({ module }) => {
      const magnitudes = tf.tidy(() => norms(weightOf(module)))
      const data = Float32Array.from(magnitudes.dataSync())
      magnitudes.dispose()
      return [loraName(module, 'magnitude'), { shape: [data.length], data }]
    }),
  )
}
