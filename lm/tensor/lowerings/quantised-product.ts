/**
 * @file Products with a matrix of small whole numbers: a kernel of this backend that tfjs does not know, traced alone.
 * With int8 each row of x is rounded to whole numbers of its own scale, and the product is one of whole numbers; with
 * int4 the operator of ONNX Runtime does so block by block.
 */
import { onnxType } from '../dtype.ts'
import { type Graph, microsoft, type Value } from '../graph.ts'
import { int4Block, type QuantisedMatrix } from '../quantise.ts'
import type { Lowerings } from './lowering.ts'

/** Kernel: `x` [rows, in], attribute `matrix` -> [rows, out]. */
export const quantisedProduct = 'QuantisedProduct'

/** As a byte, 0 stands in the middle. */
const middle = 128

function int8Product(graph: Graph, x: Value, { values, scales, out, size }: QuantisedMatrix): Value {
  const rows = x.shape[0]!
  const full = [rows, size]
  const number = (value: number) => graph.scalar(value, 'float32')
  const magnitudes = graph.op('Abs', [x], {}, full, 'float32')
  const largest = graph.op('ReduceMax', [magnitudes], { axes: [-1], keepdims: 1 }, [rows, 1], 'float32')
  const raised = graph.op('Max', [largest, number(1e-30)], {}, [rows, 1], 'float32')
  const scale = graph.op('Mul', [raised, number(1 / 127)], {}, [rows, 1], 'float32')
  const counts = graph.op('Div', [x, scale], {}, full, 'float32')
  const shifted = graph.op('Add', [counts, number(middle + 0.5)], {}, full, 'float32')
  const bytes = graph.op('Cast', [shifted], { to: onnxType.uint8 }, full, 'uint8')
  const inputs = [
    bytes,
    graph.constant(values, [size, out], 'int8'),
    number(1),
    graph.constant(scales, [out], 'float32'),
    graph.constant(Uint8Array.of(middle), [], 'uint8'),
  ]
  const product = graph.op('MatMulIntegerToFloat', inputs, {}, [rows, out], 'float32', microsoft)
  return graph.op('Mul', [product, scale], {}, [rows, out], 'float32')
}

function int4Product(graph: Graph, x: Value, { values, scales, out, size }: QuantisedMatrix): Value {
  const blocks = Math.ceil(size / int4Block)
  const inputs = [
    x,
    graph.constant(values, [out, blocks, int4Block / 2], 'uint8'),
    graph.constant(scales, [out * blocks], 'float32'),
  ]
  const attributes = { K: size, N: out, bits: 4, block_size: int4Block, accuracy_level: 4 }
  return graph.op('MatMulNBits', inputs, attributes, [x.shape[0]!, out], 'float32', microsoft)
}

export const quantisedProducts: Lowerings = {
  [quantisedProduct]: (graph, { x }, { matrix }: { matrix: QuantisedMatrix }) =>
    matrix.bits === 8 ? int8Product(graph, x!, matrix) : int4Product(graph, x!, matrix),
}
