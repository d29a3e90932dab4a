/** @file Kernels that reduce axes, and softmax. */
import { type ElementType, onnxType, positiveAxis } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import { tf } from '../tf.ts'
import { cast, withoutBool } from './cast.ts'
import type { Lowering, Lowerings } from './lowering.ts'

type Reduction = (graph: Graph, x: Value, axes: readonly number[], keepdims: boolean) => Value

/** Reads the axes, which the kernels call by two names, and leaves axes of one element to a reshape. */
function over(reduce: Reduction): Lowering {
  return (graph, { x }, { axis, reductionIndices, keepDims }) => {
    const given = axis ?? reductionIndices ?? null
    const axes = tf.util.parseAxisParam(given, [...x!.shape]).sort((a, b) => a - b)
    if (axes.some((each) => x!.shape[each] !== 1)) return reduce(graph, x!, axes, keepDims)
    return graph.reshape(x!, reducedShape(x!, axes, keepDims))
  }
}

function reducedShape({ shape }: Value, axes: readonly number[], keepDims: boolean): number[] {
  return keepDims
    ? shape.map((dimension, index) => (axes.includes(index) ? 1 : dimension))
    : shape.filter((_, index) => !axes.includes(index))
}

/** An operator that takes the axes as an attribute. */
const reduction =
  (op: string): Reduction =>
  (graph, x, axes, keepDims) =>
    graph.op(op, [x], { axes, keepdims: keepDims ? 1 : 0 }, reducedShape(x, axes, keepDims), x.dtype)

/** Largest or smallest. In a row with a NaN, ONNX Runtime may give the NaN or pass over it. */
const extreme =
  (op: string): Reduction =>
  (graph, x, axes, keepDims) => {
    const result = reduction(op)(graph, withoutBool(graph, x), axes, keepDims)
    return cast(graph, result, x.dtype as ElementType)
  }

const sum: Reduction = (graph, x, axes, keepDims) => {
  const keepdims = keepDims ? 1 : 0
  const shape = reducedShape(x, axes, keepDims)
  return graph.op('ReduceSum', [x, graph.integers(axes)], { keepdims }, shape, x.dtype)
}

const mean = over(reduction('ReduceMean'))

function argument(op: 'ArgMax' | 'ArgMin'): Lowering {
  return (graph, { x }, { axis }) => {
    const at = positiveAxis(axis, x!.shape.length)
    const shape = x!.shape.filter((_, index) => index !== at)
    const index = graph.op(op, [x!], { axis: at, keepdims: 0 }, shape, 'int64')
    return graph.op('Cast', [index], { to: onnxType.int32 }, shape, 'int32')
  }
}

/** Of truth values: `ReduceMin` is "all", `ReduceMax` "any". */
function truth(op: 'ReduceMin' | 'ReduceMax'): Lowering {
  return over((graph, x, axes, keepDims) => {
    const none = axes.some((axis) => x.shape[axis] === 0)
    if (none) return graph.uniform(op === 'ReduceMin' ? 1 : 0, reducedShape(x, axes, keepDims), 'bool')
    return extreme(op)(graph, x, axes, keepDims)
  })
}

export const reductions: Lowerings = {
  All: truth('ReduceMin'),
  Any: truth('ReduceMax'),
  Sum: over(sum),
  Mean: (graph, { x }, attributes) => mean(graph, { x: cast(graph, x!, 'float32') }, attributes),
  Max: over(extreme('ReduceMax')),
  Min: over(extreme('ReduceMin')),
  Prod: over(reduction('ReduceProd')),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Softmax: (graph, { logits }, { dim }) => {
    const axis = positiveAxis(dim, logits!.shape.length)
    return graph.op('Softmax', [logits!], { axis }, logits!.shape, logits!.dtype)
  },
  Cumsum: (graph, { x }, { axis, exclusive, reverse }) => {
    const at = graph.scalar(positiveAxis(axis, x!.shape.length), 'int32')
    const flags = { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 }
    return graph.op('CumSum', [x!, at], flags, x!.shape, x!.dtype)
  },
}
