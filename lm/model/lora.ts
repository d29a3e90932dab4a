/**
 * @file Low-rank adapters in PEFT's layout. LoRA (arXiv 2106.09685): y = W x + scaling * B (A x), A [r, in], B [out, r].
 * DoRA (arXiv 2402.09353): y = m / |V| * V x with V = W + scaling * B A and |V| [out] the norms of its rows, which count
 * as constants in the gradient; m [out] is trained.
 */
import { loraName } from '../checkpoint/peft.ts'
import { createRandom } from '../random.ts'
import { differentiableAll } from '../tensor/differentiable.ts'
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

/** A module and its weight W [out, in]. */
export interface Weighted {
  readonly module: string
  readonly weight: Tensor
}

/**
 * What modules make of their common input with an adapter, without biases. With dropout DoRA scales W x of the inputs
 * that are left, as PEFT does: y = W x - W x' + m / |V| * (W x' + scaling * B (A x')).
 * @param x [rows, in]
 * @returns for each [rows, out]; W x where the module is not adapted
 */
export function adapt(adapter: DecoderAdapter, modules: readonly Weighted[], x: Tensor): Tensor[] {
  const { tensors, scalings, drop } = adapter
  const factors = modules.map(({ module, weight }): LowRankFactors | undefined => {
    const scaling = scalings.get(module)
    const isPlain = drop === undefined && tensors[loraName(module, 'magnitude')] === undefined
    if (scaling === undefined || !isPlain) return undefined
    return { weight, a: tensors[loraName(module, 'A')]!, b: tensors[loraName(module, 'B')]!, scaling }
  })
  const products = lowRankProducts(
    x,
    factors.filter((each) => each !== undefined),
  ).values()
  return modules.map((each, index) =>
    factors[index] === undefined ? adaptAlone(adapter, each, x) : products.next().value!,
  )
}

function adaptAlone(
  { tensors, scalings, drop }: DecoderAdapter,
  { module, weight }: Weighted,
  x: Tensor,
): Tensor {
  const y = tf.matMul(x, weight, false, true)
  const scaling = scalings.get(module)
  if (scaling === undefined) return y
  const [a, b] = [tensors[loraName(module, 'A')]!, tensors[loraName(module, 'B')]!]
  const seen = drop === undefined ? x : drop(module, x)
  const delta = tf.mul(tf.matMul(tf.matMul(seen, a, false, true), b, false, true), scaling)
  const magnitude = tensors[loraName(module, 'magnitude')]
  if (magnitude === undefined) return tf.add(y, delta)
  const factor = tf.div(magnitude, rowNorms(weight, a, b, scaling))
  if (seen === x) return tf.mul(tf.add(y, delta), factor)
  const left = tf.matMul(seen, weight, false, true)
  return tf.add(tf.sub(y, left), tf.mul(tf.add(left, delta), factor))
}

/** W [out, in], A [r, in], B [out, r]. */
interface LowRankFactors {
  readonly weight: Tensor
  readonly a: Tensor
  readonly b: Tensor
  readonly scaling: number
}

/**
 * W x + scaling * B (A x) for several modules: their A are multiplied with as one matrix, as few rows of each make a
 * product that reads much and computes little.
 * @param x [rows, in]
 */
function lowRankProducts(x: Tensor, modules: readonly LowRankFactors[]): Tensor[] {
  if (modules.length === 0) return []
  const ranks = modules.map(({ a }) => a.shape[0]!)
  const inputs = Object.fromEntries(
    modules.flatMap(({ weight, a, b }, index) => [
      [`weight${index}`, weight],
      [`a${index}`, a],
      [`b${index}`, b],
    ]),
  )
  return differentiableAll(
    { x, ...inputs },
    (save) => {
      const scaled = tf.concat(modules.map(({ a, scaling }) => tf.mul(a, scaling)))
      const low = tf.matMul(x, scaled, false, true)
      save([x, scaled, low, ...modules.flatMap(({ weight, b }) => [weight, b])])
      const lows = tf.split(low, ranks, 1)
      return modules.map(({ weight, b }, index) =>
        tf.add(tf.matMul(x, weight, false, true), tf.matMul(lows[index]!, b, false, true)),
      )
    },
    (dys, saved) => {
      const [x, scaled, low, ...matrices] = saved as [Tensor, Tensor, Tensor, ...Tensor[]]
      const lows = tf.split(low, ranks, 1)
      const dLow = tf.concat(
        dys.map((dy, index) => tf.matMul(dy, matrices[2 * index + 1]!)),
        1,
      )
      const dScaled = tf.split(tf.matMul(dLow, x, true), ranks)
      const ofModules = dys.flatMap((dy, index): [string, () => Tensor][] => [
        [`weight${index}`, () => tf.matMul(dy, x, true)],
        [`a${index}`, () => tf.mul(dScaled[index]!, modules[index]!.scaling)],
        [`b${index}`, () => tf.matMul(dy, lows[index]!, true)],
      ])
      return {
        x: () =>
          dys.reduce(
            (sum, dy, index) => tf.add(tf.matMul(dy, matrices[2 * index]!), sum),
            tf.matMul(dLow, scaled),
          ),
        ...Object.fromEntries(ofModules),
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
