/** @file Kernels that reduce axes, and softmax. */
import { onnxType, positiveAxis } from '../dtype.ts'
import type { Value } from '../graph.ts'
import { tf } from '../tf.ts'
import type { Lowering, Lowerings } from './lowering.ts'

function reduction(op: string, axesAsInput: boolean): Lowering {
  return (graph, { x }, { axis, keepDims }) => {
    const axes = tf.util.parseAxisParam(axis ?? null, [...x!.shape]).sort((a, b) => a - b)
    const kept = x!.shape.map((dimension, index) => (axes.includes(index) ? 1 : dimension))
    const shape = keepDims ? kept : x!.shape.filter((_, index) => !axes.includes(index))
    if (axes.every((index) => x!.shape[index] === 1)) return graph.reshape(x!, shape)
    const keepdims = keepDims ? 1 : 0
    return axesAsInput
      ? graph.op(op, [x!, graph.integers(axes)], { keepdims }, shape, x!.dtype)
      : graph.op(op, [x!], { axes, keepdims }, shape, x!.dtype)
  }
}

function argument(op: 'ArgMax' | 'ArgMin'): Lowering {
  return (graph, { x }, { axis }) => {
    const at = positiveAxis(axis, x!.shape.length)
    const shape = x!.shape.filter((_, index) => index !== at)
    const index = graph.op(op, [x!], { axis: at, keepdims: 0 }, shape, 'int64')
    return graph.op('Cast', [index], { to: onnxType.int32 }, shape, 'int32')
  }
}

function normalised(
  op: 'Softmax' | 'LogSoftmax',
  x: Value,
  axis: number,
): (graph: Parameters<Lowering>[0]) => Value {
  return (graph) => graph.op(op, [x], { axis: positiveAxis(axis, x.shape.length) }, x.shape, x.dtype)
}

export const reductions: Lowerings = {
  Sum: reduction('ReduceSum', true),
  Mean: reduction('ReduceMean', false),
  Max: reduction('ReduceMax', false),
  Min: reduction('ReduceMin', false),
  Prod: reduction('ReduceProd', false),
  ArgMax: argument('ArgMax'),
  ArgMin: argument('ArgMin'),
  Softmax: (graph, { logits }, { dim }) => normalised('Softmax', logits!, dim)(graph),
  LogSoftmax: (graph, { logits }, { axis }) => normalised('LogSoftmax', logits!, axis)(graph),
  Cumsum: (graph, { x }, { axis, exclusive, reverse }) => {
    const at = graph.scalar(positiveAxis(axis, x!.shape.length), 'int32')
    const flags = { exclusive: exclusive ? 1 : 0, reverse: reverse ? 1 : 0 }
    return graph.op('CumSum', [x!, at], flags, x!.shape, x!.dtype)
  },
}
