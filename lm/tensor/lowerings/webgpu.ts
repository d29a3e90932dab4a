/**
 * @file What is lowered otherwise for ONNX Runtime's WebGPU provider: operators that it has for some types only or not
 * at all, and functions that the shading language computes too roughly. All else is lowered as for the CPU.
 */
import { broadcastShape, type ElementType, positiveAxis, sizeOf } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import { tf } from '../tf.ts'
import { Calculation } from './calculation.ts'
import { cast } from './cast.ts'
import { elementwise } from './elementwise.ts'
import { functions } from './functions.ts'
import { indexing } from './indexing.ts'
import { type Lowering, type Lowerings, list, NoLowering } from './lowering.ts'
import { products } from './matmul.ts'
import { shaping } from './shaping.ts'
import { slicing } from './slicing.ts'
import { webgpuFunctions } from './webgpu-functions.ts'

/** For kernels that move or compare elements: bool ones as int32, for which there are operators. */
function boolsAsIntegers(lowering: Lowering): Lowering {
  return (graph, inputs, attributes) => {
    const values = Object.entries(inputs)
    if (!values.some(([, { dtype }]) => dtype === 'bool')) return lowering(graph, inputs, attributes)
    const integers = values.map(([name, x]) => [name, x.dtype === 'bool' ? cast(graph, x, 'int32') : x])
    const results = lowering(graph, Object.fromEntries(integers), attributes)
    return Array.isArray(results)
      ? results.map((result) => cast(graph, result, 'bool'))
      : cast(graph, results, 'bool')
  }
}

/** A shader binds a few buffers alone (8 in any browser): a split into more parts becomes slices. */
const mostParts = 6

const split: Lowering = (graph, { x }, attributes) => {
  const at = positiveAxis(attributes.axis, x!.shape.length)
  const asTensor = { shape: [...x!.shape] } as unknown as tf.Tensor
  const sizes: number[] = tf.backend_util.prepareSplitSize(asTensor, attributes.numOrSizeSplits, at)
  if (sizes.length <= mostParts) return shaping.SplitV!(graph, { x: x! }, attributes)
  let start = 0
  return sizes.map((size) => {
    const begin = x!.shape.map((_, axis) => (axis === at ? start : 0))
    start += size
    return slicing.Slice!(graph, { x: x! }, { begin, size: x!.shape.with(at, size) }) as Value
  })
}

const unpack: Lowering = (graph, { value }, { axis }) => {
  const at = positiveAxis(axis, value!.shape.length)
  const numOrSizeSplits = Array.from({ length: value!.shape[at]! }, () => 1)
  const parts = split(graph, { x: value! }, { axis: at, numOrSizeSplits }) as Value[]
  return parts.map((part) => graph.reshape(part, value!.shape.toSpliced(at, 1)))
}

/** For int32 `integer`; the CPU's lowering for all else. */
function forIntegers(kernel: Lowering, integer: (calculation: Calculation, x: Value) => Value): Lowering {
  return (graph, inputs, attributes) => {
    const { x } = inputs
    if (x!.dtype !== 'int32') return kernel(graph, inputs, attributes)
    return integer(new Calculation(graph, x!.shape, 'int32'), x!)
  }
}

/** -1, 0 or 1; a NaN stays one. */
function signOf(graph: Graph, x: Value): Value {
  const { shape, dtype } = x
  const [zero, one, minusOne] = [0, 1, -1].map((value) => graph.scalar(value, dtype as ElementType))
  const test = (type: string) => graph.op(type, [x, zero!], {}, shape, 'bool')
  const rest = graph.op('Where', [test('Less'), minusOne!, x], {}, shape, dtype)
  return graph.op('Where', [test('Greater'), one!, rest], {}, shape, dtype)
}

/** The quotient rounded down; int32 divides towards 0. Divided by 0 it is 0. */
const floorDiv: Lowering = (graph, { a, b }, attributes) => {
  if (a!.dtype === 'float32') return elementwise.FloorDiv!(graph, { a: a!, b: b! }, attributes)
  const shape = broadcastShape(a!.shape, b!.shape)
  const calculation = new Calculation(graph, shape, 'int32')
  const byZero = calculation.test('Equal', graph.expand(b!, shape), 0)
  const divisor = calculation.op('Where', byZero, 1, b!)
  const quotient = calculation.op('Div', a!, divisor)
  const rest = calculation.op('Sub', a!, calculation.op('Mul', quotient, divisor))
  // A rest of the other sign than the divisor's: the product of their signs is negative.
  const signs = calculation.op('Mul', signOf(graph, rest), signOf(graph, divisor))
  const below = calculation.op('Sub', quotient, 1)
  const floor = calculation.op('Where', calculation.test('Less', signs, 0), below, quotient)
  return calculation.op('Where', byZero, 0, floor)
}

/** Whole numbers, which MatMul does not take: the products, summed. [.., m, k, 1] * [.., 1, k, n] */
function integerProduct(graph: Graph, left: Value, right: Value): Value {
  const [rows, inner, columns] = [left.shape.at(-2)!, left.shape.at(-1)!, right.shape.at(-1)!]
  const [before, after] = [left.shape.slice(0, -2), right.shape.slice(0, -2)]
  const batch = broadcastShape(before, after)
  const factors = [
    graph.reshape(left, [...before, rows, inner, 1]),
    graph.reshape(right, [...after, 1, inner, columns]),
  ]
  const terms = graph.op('Mul', factors, {}, [...batch, rows, inner, columns], left.dtype)
  const axis = graph.integers([batch.length + 1])
  return graph.op('ReduceSum', [terms, axis], { keepdims: 0 }, [...batch, rows, columns], left.dtype)
}

const product: Lowering = (graph, { a, b }, attributes) => {
  const turned = (x: Value, turn: boolean) => {
    if (!turn) return x
    const perm = x.shape.map((_, axis) => axis)
    perm.push(...perm.splice(-2).reverse())
    return shaping.Transpose!(graph, { x }, { perm }) as Value
  }
  const [left, right] = [turned(a!, attributes.transposeA), turned(b!, attributes.transposeB)]
  const batch = broadcastShape(left.shape.slice(0, -2), right.shape.slice(0, -2))
  // The provider's product over no elements ends the process.
  if (left.shape.at(-1) === 0)
    return graph.uniform(0, [...batch, left.shape.at(-2)!, right.shape.at(-1)!], left.dtype)
  if (left.dtype !== 'float32') return integerProduct(graph, left, right)
  return products.BatchMatMul!(graph, { a: a!, b: b! }, attributes)
}

/** 0, 1, ... along the one axis that is longer than 1. */
function places(graph: Graph, shape: readonly number[]): Value {
  return graph.constant(
    Int32Array.from({ length: sizeOf(shape) }, (_, index) => index),
    shape,
    'int32',
  )
}

/** The smallest index of an element that equals the extreme; ArgMax itself gives int64, which nothing else takes. */
function argument(extreme: 'ReduceMax' | 'ReduceMin'): Lowering {
  return (graph, { x }, { axis }) => {
    const at = positiveAxis(axis, x!.shape.length)
    const size = x!.shape[at]!
    const attributes = { axes: [at], keepdims: 1 }
    const found = graph.op(extreme, [x!], attributes, x!.shape.with(at, 1), x!.dtype)
    const equal = graph.op('Equal', [x!, found], {}, x!.shape, 'bool')
    const line = x!.shape.map((_, index) => (index === at ? size : 1))
    const candidates = graph.op(
      'Where',
      [equal, places(graph, line), graph.scalar(size, 'int32')],
      {},
      x!.shape,
      'int32',
    )
    const shape = x!.shape.filter((_, index) => index !== at)
    return graph.op('ReduceMin', [candidates], { axes: [at], keepdims: 0 }, shape, 'int32')
  }
}

const oneHot: Lowering = (graph, { indices }, { depth, onValue, offValue, dtype }) => {
  const shape = [...indices!.shape, depth]
  const column = graph.reshape(indices!, [...indices!.shape, 1])
  const equal = graph.op('Equal', [column, places(graph, [depth])], {}, shape, 'bool')
  const values = [onValue, offValue].map((value) => graph.scalar(value, 'float32'))
  const hot = graph.op('Where', [equal, ...values], {}, shape, 'float32')
  return dtype === 'float32' ? hot : { ...cast(graph, hot, dtype), castOf: hot }
}

const moving: Lowerings = { ...shaping, ...slicing, GatherV2: indexing.GatherV2! }
const movingKernels = [
  ...['Concat', 'Pack', 'Transpose', 'PadV2', 'MirrorPad', 'Tile'],
  ...['Slice', 'StridedSlice', 'Reverse', 'GatherV2'],
]

/** WGSL knows no NaN, computes `acos` too roughly, and nobody has written the others. */
const missingKernels = ['IsNan', 'IsInf', 'IsFinite', 'Acos', 'Mod', 'TopK']
const missing: Lowering = () => {
  throw new NoLowering('WebGPU')
}

export const webgpu: Lowerings = {
  ...Object.fromEntries(movingKernels.map((kernel) => [kernel, boolsAsIntegers(moving[kernel]!)])),
  ...Object.fromEntries(missingKernels.map((kernel) => [kernel, missing])),
  SplitV: boolsAsIntegers(split),
  Unpack: boolsAsIntegers(unpack),
  Equal: boolsAsIntegers(elementwise.Equal!),
  NotEqual: boolsAsIntegers(elementwise.NotEqual!),
  LogicalOr: (graph, { a, b }) => {
    const not = (x: Value) => graph.op('Not', [x], {}, x.shape, 'bool')
    const shape = broadcastShape(a!.shape, b!.shape)
    return not(graph.op('And', [not(a!), not(b!)], {}, shape, 'bool'))
  },
  AddN: (graph, inputs) =>
    list(inputs).reduce((sum, value) => graph.op('Add', [sum, value], {}, sum.shape, sum.dtype)),
  FloorDiv: floorDiv,
  Abs: forIntegers(functions.Abs!, (calculation, x) => calculation.op('Max', x, calculation.op('Sub', 0, x))),
  Neg: forIntegers(functions.Neg!, (calculation, x) => calculation.op('Sub', 0, x)),
  Sign: (graph, { x }) => signOf(graph, x!),
  BatchMatMul: product,
  ArgMax: argument('ReduceMax'),
  ArgMin: argument('ReduceMin'),
  OneHot: oneHot,
  ...webgpuFunctions,
}
