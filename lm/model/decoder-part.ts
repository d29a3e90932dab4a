/** @file A part of a layer as a function of what enters it, so that a gradient can compute its inside anew. */
import { type LoraPart, loraName } from '../checkpoint/peft.ts'
import { recomputed } from '../tensor/recomputed.ts'
import type { Tensor, TensorMap } from '../tensor/tf.ts'
import type { DecoderParameters } from './decoder.ts'

/** What a part reads of the parameters: whole modules, and norms by the name of their weight. */
export interface Reads {
  readonly modules: readonly string[]
  readonly norms: readonly (string | undefined)[]
}

const loraParts: readonly LoraPart[] = ['A', 'B', 'magnitude']

/**
 * The outputs of `compute`, of whose inside nothing is kept for the gradient.
 * @param compute reads of the parameters it is handed only what `reads` names
 */
export function decoderPart(
  parameters: DecoderParameters,
  { modules, norms }: Reads,
  inputs: TensorMap,
  compute: (parameters: DecoderParameters, inputs: TensorMap) => Tensor[],
): Tensor[] {
  const { weights, adapter } = parameters
  const read: TensorMap = {}
  const take = (from: TensorMap, name: string) => {
    const tensor = from[name]
    if (tensor !== undefined) read[name] = tensor
  }
  for (const name of norms) if (name !== undefined) take(weights, name)
  for (const module of modules) {
    for (const name of [`${module}.weight`, `${module}.bias`]) take(weights, name)
    if (adapter !== undefined) for (const part of loraParts) take(adapter.tensors, loraName(module, part))
  }
  const computeFrom = (inputs: TensorMap, tensors: TensorMap) => {
    const own = { ...parameters, weights: tensors }
    return compute(adapter === undefined ? own : { ...own, adapter: { ...adapter, tensors } }, inputs)
  }
  return recomputed(inputs, read, computeFrom)
}
