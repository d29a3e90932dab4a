/** @file Kernels that read by index: gather, one-hot, the largest elements. */
import { type ElementType, onnxType, positiveAxis, sizeOf } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import type { Lowerings } from './lowering.ts'

/** ONNX counts negative indices from the end; to tfjs they are out of range, and so they become here. */
function withinRange(graph: Graph, indices: Value, size: number): Value {
  if (graph.isConstant(indices)) return indices
  const negative = graph.op('Less', [indices, graph.scalar(0, 'int32')], {}, indices.shape, 'bool')
  const outside = graph.sizeAsNumber(size)
  return graph.op('Where', [negative, outside, indices], {}, indices.shape, 'int32')
}

/** Each batch is gathered from by its own indices: rows of all batches below each other, gathered from once. */
function gatherInBatches(graph: Graph, x: Value, indices: Value, axis: number, batchDims: number): Value {
  const batch = x.shape.slice(0, batchDims)
  const outer = x.shape.slice(batchDims, axis)
  const inner = x.shape.slice(axis + 1)
  const size = x.shape[axis]!
  const [batches, count] = [sizeOf(batch), sizeOf(indices.shape.slice(batchDims))]
  const [before, after] = [sizeOf(outer), sizeOf(inner)]
  const turned = [batches, size, before, after]
  const lines = graph.op(
    'Transpose',
    [graph.reshape(x, [batches, before, size, after])],
    { perm: [0, 2, 1, 3] },
    turned,
    x.dtype,
  )
  const starts = graph.constant(
    Int32Array.from({ length: batches }, (_, index) => index * size),
    [batches, 1],
    'int32',
  )
  const own = graph.reshape(indices, [batches, count])
  // An index past its own batch must not reach into the next.
  const known = graph.op('Less', [own, graph.scalar(size, 'int32')], {}, own.shape, 'bool')
  const counted = graph.op('Add', [withinRange(graph, own, batches * size), starts], {}, own.shape, 'int32')
  const outside = graph.scalar(batches * size, 'int32')
  const row = graph.op('Where', [known, counted, outside], {}, own.shape, 'int32')
  const rows = graph.reshape(lines, [batches * size, before, after])
  const found = graph.op('Gather', [rows, row], { axis: 0 }, [batches, count, before, after], x.dtype)
  const back = [batches, before, count, after]
  const placed = graph.op('Transpose', [found], { perm: [0, 2, 1, 3] }, back, x.dtype)
  return graph.reshape(placed, [...batch, ...outer, ...indices.shape.slice(batchDims), ...inner])
}

export const indexing: Lowerings = {
  GatherV2: (graph, { x, indices }, { axis, batchDims }) => {
    const at = positiveAxis(axis, x!.shape.length)
    if (batchDims) {
      return gatherInBatches(graph, x!, indices!, at, positiveAxis(batchDims, indices!.shape.length))
    }
    const shape = [...x!.shape.slice(0, at), ...indices!.shape, ...x!.shape.slice(at + 1)]
    const known = withinRange(graph, indices!, x!.shape[at]!)
    return graph.op('Gather', [x!, known], { axis: at }, shape, x!.dtype)
  },
  GatherNd: (graph, { params, indices }) => {
    const axes = indices!.shape.at(-1)!
    const shape = [...indices!.shape.slice(0, -1), ...params!.shape.slice(axes)]
    // Past the end of every axis.
    const known = withinRange(graph, indices!, Math.max(0, ...params!.shape.slice(0, axes)))
    const wide = graph.op('Cast', [known], { to: onnxType.int64 }, known.shape, 'int64')
    return graph.op('GatherND', [params!, wide], {}, shape, params!.dtype)
  },
  OneHot: (graph, { indices }, { depth, onValue, offValue, dtype }) => {
    // ONNX Runtime's CPU OneHot takes int32 indices with an int32 depth and float values only. It counts negative
    // indices from the end, where tfjs has no hot element: they are moved past the end.
    const shape = [...indices!.shape, depth]
    const counted = withinRange(graph, indices!, depth)
    const count = graph.constant(Int32Array.of(depth), [1], 'int32')
    const values = graph.constant(Float32Array.of(offValue, onValue), [2], 'float32')
    const hot = graph.op('OneHot', [counted, count, values], { axis: -1 }, shape, 'float32')
    if (dtype === 'float32') return hot
    const cast = graph.op('Cast', [hot], { to: onnxType[dtype as ElementType] }, shape, dtype)
    return { ...cast, castOf: hot }
  },
  /** Of equal elements the first counts as the largest. */
  TopK: (graph, { x }, { k }) => {
    const shape = [...x!.shape.slice(0, -1), k]
    const attributes = { axis: -1, largest: 1, sorted: 1 }
    const types = [x!.dtype, 'int64'] as const
    const [values, places] = graph.ops('TopK', [x!, graph.integers([k])], attributes, [shape, shape], types)
    return [values!, graph.op('Cast', [places!], { to: onnxType.int32 }, shape, 'int32')]
  },
}
