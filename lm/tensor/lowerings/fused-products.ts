/** @file Products that tfjs has as one kernel: with a bias and an activation, or spelled by Einstein's convention. */
import type { Value } from '../graph.ts'
import { activations } from './activations.ts'
import { elementwise } from './elementwise.ts'
import type { KernelAttributes, Lowerings } from './lowering.ts'
import { list, NoLowering } from './lowering.ts'
import { products } from './matmul.ts'

const activationKernels: Readonly<Record<string, string>> = {
  elu: 'Elu',
  leakyrelu: 'LeakyRelu',
  prelu: 'Prelu',
  relu: 'Relu',
  relu6: 'Relu6',
  sigmoid: 'Sigmoid',
}

export const fusedProducts: Lowerings = {
  _FusedMatMul: (graph, { a, b, bias, preluActivationWeights }, attributes: KernelAttributes) => {
    let value = products.BatchMatMul!(graph, { a: a!, b: b! }, attributes) as Value
    if (bias !== undefined) value = elementwise.Add!(graph, { a: value, b: bias }, {}) as Value
    const { activation = 'linear', leakyreluAlpha } = attributes
    if (activation === 'linear') return value
    const kernel = activationKernels[activation]
    if (kernel === undefined) throw new NoLowering(`the activation \`${activation}\``)
    const alpha = preluActivationWeights === undefined ? {} : { alpha: preluActivationWeights }
    return activations[kernel]!(graph, { x: value, ...alpha }, { alpha: leakyreluAlpha ?? 0.2 })
  },
  Einsum: (graph, inputs, { equation }) => {
    const values = list(inputs)
    const [operands, result] = (equation as string).split('->') as [string, string]
    const sizes = new Map<string, number>()
    operands.split(',').forEach((labels, operand) => {
      for (const [axis, label] of [...labels].entries()) sizes.set(label, values[operand]!.shape[axis]!)
    })
    const shape = [...result].map((label) => sizes.get(label)!)
    return graph.op('Einsum', values, { equation }, shape, values[0]!.dtype)
  },
}
