/**
 * @file How prompts are read and rows decoded where the processor computes: norms by single operators, projections of one
 * input side by side where their weights are laid out once, and, if asked for, weights rounded to 8 or 4 bits.
 */
import { LmFailure } from '../failure.ts'
import type { DecoderOperations, DecoderParameters } from '../model/decoder.ts'
import { outputName } from '../model/decoder.ts'
import { rmsNormalisation } from '../tensor/lowerings/normalisation.ts'
import { quantisedProduct } from '../tensor/lowerings/quantised-product.ts'
import { currentOnnxBackend } from '../tensor/onnx-backend.ts'
import { type QuantisedMatrix, quantise } from '../tensor/quantise.ts'
import { type Tensor, tf } from '../tensor/tf.ts'

export type DecodePrecision = 'fp32' | 'int8' | 'int4'

export interface StepOperations {
  readonly prefill: DecoderOperations
  readonly decode: DecoderOperations
}

/**
 * @returns undefined where the backend has none of these operators: what the training computes serves
 * @throws LmFailure `unsupported-precision`
 */
export function decodingOperations(
  parameters: DecoderParameters,
  precision: DecodePrecision,
): StepOperations | undefined {
  const provider = currentOnnxBackend()?.provider
  if (precision !== 'fp32') {
    if (provider !== 'cpu') throw unsupported(precision, 'this device does not compute with rounded weights')
    if (parameters.adapter !== undefined)
      throw unsupported(precision, 'the adapter is not merged into the weights')
    const operations = { normalise, multiply: quantisedProducts(parameters, precision) }
    return { prefill: operations, decode: operations }
  }
  if (provider !== 'cpu') return undefined
  return {
    prefill: { normalise, multiply: oneByOne(parameters) },
    decode: { normalise, multiply: sideBySide(parameters) },
  }
}

function unsupported(precision: DecodePrecision, why: string): LmFailure {
  return new LmFailure({
    code: 'unsupported-precision',
    message: `cannot decode in ${precision}: ${why}`,
    hint: 'take `decode_precision: fp32`',
  })
}

function normalise(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  return tf.engine().runKernel(rmsNormalisation, { x, weight }, { epsilon })
}

function oneByOne({ weights }: DecoderParameters): DecoderOperations['multiply'] {
  return (x, matrices) => matrices.map((name) => tf.matMul(x, weights[name]!, false, true))
}

function sideBySide({ weights }: DecoderParameters): DecoderOperations['multiply'] {
  return (x, matrices) => {
    const parts = matrices.map((name) => weights[name] as tf.Tensor2D)
    if (parts.length === 1) return [tf.matMul(x, parts[0]!, false, true)]
    return apart(tf.matMul(x, tf.concat(parts, 0), false, true), parts)
  }
}

function apart(products: Tensor, matrices: readonly tf.Tensor2D[]): Tensor[] {
  if (matrices.length === 1) return [products]
  const sizes = matrices.map(({ shape }) => shape[0])
  return tf.split(products, sizes, -1) as Tensor[]
}

/** Each matrix is rounded once, when it is first multiplied with. */
function quantisedProducts(
  { weights, config }: DecoderParameters,
  precision: 'int8' | 'int4',
): DecoderOperations['multiply'] {
  const known = new Map<string, QuantisedMatrix>()
  return (x, matrices) => {
    const parts = matrices.map((name) => weights[name] as tf.Tensor2D)
    const key = matrices.join()
    // The scores of the vocabulary suffer most from rounding: llama.cpp keeps them at more bits, too.
    const bits = precision === 'int8' || matrices[0] === outputName(config) ? 8 : 4
    const matrix =
      known.get(key) ??
      quantise(
        parts.map((part) => part.dataSync() as Float32Array),
        parts[0]!.shape[1],
        bits,
      )
    known.set(key, matrix)
    const attributes = { matrix } as unknown as tf.NamedAttrMap
    return apart(tf.engine().runKernel(quantisedProduct, { x }, attributes), parts)
  }
}
