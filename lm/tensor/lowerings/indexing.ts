/** @file Kernels that read or write by index: gather, one-hot, segment sum. */
import { type ElementType, onnxType, positiveAxis } from '../dtype.ts'
import type { Lowerings } from './lowering.ts'

export const indexing: Lowerings = {
  GatherV2: (graph, { x, indices }, { axis, batchDims }) => {
    if (batchDims) throw new Error('gather with batchDims has no lowering: use oneHot or customGrad')
    const at = positiveAxis(axis, x!.shape.length)
    const shape = [...x!.shape.slice(0, at), ...indices!.shape, ...x!.shape.slice(at + 1)]
    return graph.op('Gather', [x!, indices!], { axis: at }, shape, x!.dtype)
  },
  OneHot: (graph, { indices }, { depth, onValue, offValue, dtype }) => {
    // ONNX Runtime's CPU OneHot takes int32 indices with an int32 depth and float values only.
    const shape = [...indices!.shape, depth]
    const count = graph.constant(Int32Array.of(depth), [1], 'int32')
    const values = graph.constant(Float32Array.of(offValue, onValue), [2], 'float32')
    const hot = graph.op('OneHot', [indices!, count, values], { axis: -1 }, shape, 'float32')
    if (dtype === 'float32') return hot
    const cast = graph.op('Cast', [hot], { to: onnxType[dtype as ElementType] }, shape, dtype)
    return { ...cast, castOf: hot }
  },
  UnsortedSegmentSum: (graph, { x, segmentIds }, { numSegments }) => {
    const shape = [numSegments, ...x!.shape.slice(segmentIds!.shape.length)]
    const column = graph.reshape(segmentIds!, [...segmentIds!.shape, 1])
    const index = graph.op('Cast', [column], { to: onnxType.int64 }, column.shape, 'int64')
    const zeros = graph.uniform(0, shape, x!.dtype)
    return graph.op('ScatterND', [zeros, index, x!], { reduction: 'add' }, shape, x!.dtype)
  },
}
