/** @file Kernels that read or write by index: gather, one-hot, segment sum. */
import { type ElementType, onnxType, positiveAxis, sizeOf } from '../dtype.ts'
import type { Lowerings } from './lowering.ts'

export const indexing: Lowerings = {
  GatherV2: (graph, { x, indices }, { axis, batchDims }) => {
    if (batchDims) throw new Error('gather with batchDims has no lowering: use oneHot or customGrad')
    const at = positiveAxis(axis, x!.shape.length)
    const shape = [...x!.shape.slice(0, at), ...indices!.shape, ...x!.shape.slice(at + 1)]
    return graph.op('Gather', [x!, indices!], { axis: at }, shape, x!.dtype)
  },
  OneHot: (graph, { indices }, { depth, onValue, offValue, dtype }) => {
    // ONNX Runtime's CPU OneHot takes int32 indices with an int32 depth and float values only. It counts negative
    // indices from the end, where tfjs has no hot element: they are moved past the end.
    const shape = [...indices!.shape, depth]
    const negative = graph.op('Less', [indices!, graph.scalar(0, 'int32')], {}, indices!.shape, 'bool')
    const counted = graph.op(
      'Where',
      [negative, graph.scalar(depth, 'int32'), indices!],
      {},
      indices!.shape,
      'int32',
    )
    const count = graph.constant(Int32Array.of(depth), [1], 'int32')
    const values = graph.constant(Float32Array.of(offValue, onValue), [2], 'float32')
    const hot = graph.op('OneHot', [counted, count, values], { axis: -1 }, shape, 'float32')
    if (dtype === 'float32') return hot
    const cast = graph.op('Cast', [hot], { to: onnxType[dtype as ElementType] }, shape, dtype)
    return { ...cast, castOf: hot }
  },
  UnsortedSegmentSum: (graph, { x, segmentIds }, { numSegments }) => {
    const ids = segmentIds!
    const dtype = x!.dtype as ElementType
    const shape = [numSegments, ...x!.shape.slice(ids.shape.length)]
    // Rows of no segment are dropped: zeros, added to the first.
    const bounds = [0, numSegments].map((bound) => graph.scalar(bound, 'int32'))
    const above = graph.op('GreaterOrEqual', [ids, bounds[0]!], {}, ids.shape, 'bool')
    const below = graph.op('Less', [ids, bounds[1]!], {}, ids.shape, 'bool')
    const known = graph.op('And', [above, below], {}, ids.shape, 'bool')
    const target = graph.op('Where', [known, ids, bounds[0]!], {}, ids.shape, 'int32')
    const rest = x!.shape.slice(ids.shape.length)
    // [rows, row]: a segment's row each, its elements side by side
    const flat = [sizeOf(ids.shape), sizeOf(rest)]
    const rows = graph.reshape(known, [flat[0]!, 1])
    const kept = graph.op('Where', [rows, graph.reshape(x!, flat), graph.scalar(0, dtype)], {}, flat, dtype)
    const column = graph.reshape(target, [flat[0]!, 1])
    const index = graph.op('Expand', [column, graph.integers(flat)], {}, flat, 'int32')
    const zeros = graph.uniform(0, [numSegments, flat[1]!], dtype)
    // Not ScatterND: its threads add to one row at the same time, and lose some of it.
    const attributes = { axis: 0, reduction: 'add' }
    const sums = graph.op('ScatterElements', [zeros, index, kept], attributes, [numSegments, flat[1]!], dtype)
    return graph.reshape(sums, shape)
  },
}
