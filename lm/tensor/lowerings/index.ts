/** @file The one table of lowerings: tfjs kernel name -> ONNX operators. */
import type { Graph, Value } from '../graph.ts'
import { activations } from './activations.ts'
import { elementwise } from './elementwise.ts'
import { functions } from './functions.ts'
import { fusedProducts } from './fused-products.ts'
import { indexing } from './indexing.ts'
import { type KernelAttributes, type Lowerings, NoLowering } from './lowering.ts'
import { products } from './matmul.ts'
import { normalisations } from './normalisation.ts'
import { orderings } from './ordering.ts'
import { quantisedProducts } from './quantised-product.ts'
import { reductions } from './reduction.ts'
import { rotations } from './rotation.ts'
import { scattering } from './scattering.ts'
import { shaping } from './shaping.ts'
import { slicing } from './slicing.ts'
import { webgpu } from './webgpu.ts'

export const lowerings: Lowerings = {
  ...elementwise,
  ...functions,
  ...activations,
  ...shaping,
  ...slicing,
  ...reductions,
  ...products,
  ...fusedProducts,
  ...indexing,
  ...rotations,
  ...normalisations,
  ...orderings,
  ...quantisedProducts,
  ...scattering,
}

/** Kernels that ONNX Runtime computes for numbers only. */
const numeric: ReadonlySet<string> = new Set([
  ...['Add', 'AddN', 'Sub', 'Multiply', 'RealDiv', 'FloorDiv', 'Mod', 'Pow', 'SquaredDifference'],
  ...['Abs', 'ClipByValue', 'Neg', 'Prelu', 'Relu', 'Relu6', 'Sign', 'Square', 'Step'],
  ...['ArgMax', 'ArgMin', 'Cumsum', 'Softmax', 'TopK', 'UnsortedSegmentSum'],
  ...['BatchMatMul', 'Einsum', '_FusedMatMul'],
])

/** A kernel call as operators of `graph`. @throws NoLowering */
export function lower(
  kernel: string,
  graph: Graph,
  inputs: Readonly<Record<string, Value>>,
  attributes: KernelAttributes,
): Value | Value[] {
  const lowering = (graph.provider === 'webgpu' ? webgpu[kernel] : undefined) ?? lowerings[kernel]
  if (lowering === undefined) throw new NoLowering(`the TensorFlow.js kernel \`${kernel}\` has no lowering`)
  try {
    if (numeric.has(kernel) && Object.values(inputs).some(({ dtype }) => dtype === 'bool')) {
      throw new NoLowering('tensors of type bool')
    }
    return lowering(graph, inputs, attributes ?? {})
  } catch (error) {
    if (!(error instanceof NoLowering)) throw error
    throw new NoLowering(`the TensorFlow.js kernel \`${kernel}\` has no lowering for ${error.message}`)
  }
}
