/** @file Kernels that take or mirror ranges of elements: slices, strides, reversal. */
import { sameShape } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import { tf } from '../tf.ts'
import type { Lowerings } from './lowering.ts'

/** To ONNX, the end of a range that runs down to and with the first element. */
const beforeTheFirst = -(2 ** 31)

/** The same by Gather, axis by axis: WebGPU's Slice takes float32 alone, and goes astray where it runs down. */
function gathered(
  graph: Graph,
  x: Value,
  shape: readonly number[],
  starts: readonly number[],
  steps: readonly number[],
): Value {
  return shape.reduce((taken, size, axis) => {
    if (size === taken.shape[axis] && steps[axis] === 1) return taken
    const places = Int32Array.from({ length: size }, (_, index) => starts[axis]! + index * steps[axis]!)
    const inputs = [taken, graph.constant(places, [size], 'int32')]
    return graph.op('Gather', inputs, { axis }, taken.shape.with(axis, size), x.dtype)
  }, x)
}

/** Elements `starts`, `starts + steps`, ... before `ends`, along every axis. */
function range(
  graph: Graph,
  x: Value,
  shape: readonly number[],
  ...bounds: readonly [starts: readonly number[], ends: readonly number[], steps: readonly number[]]
): Value {
  if (x.uniform !== undefined) return graph.uniform(x.uniform, shape, x.dtype)
  const [starts, ends, steps] = bounds
  if (sameShape(shape, x.shape) && steps.every((step) => step === 1)) return x
  if (graph.provider === 'webgpu' && (x.dtype !== 'float32' || steps.some((step) => step < 0))) {
    return gathered(graph, x, shape, starts, steps)
  }
  const axes = starts.map((_, index) => index)
  const inputs = [starts, ends, axes, ...(steps.every((step) => step === 1) ? [] : [steps])]
  return graph.op('Slice', [x, ...inputs.map((each) => graph.integers(each))], {}, shape, x.dtype)
}

export const slicing: Lowerings = {
  Slice: (graph, { x }, { begin, size }) => {
    const asTensor = { shape: [...x!.shape], rank: x!.shape.length } as unknown as tf.Tensor
    const [starts = [], sizes = []] = tf.slice_util.parseSliceParams(asTensor, begin, size)
    const ends = starts.map((start, index) => start + sizes[index]!)
    return range(
      graph,
      x!,
      sizes,
      starts,
      ends,
      starts.map(() => 1),
    )
  },
  StridedSlice: (graph, { x }, attributes) => {
    const { begin, end, strides } = attributes
    const { beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask } = attributes
    const masks = [beginMask, endMask, ellipsisMask, newAxisMask, shrinkAxisMask] as const
    const info = tf.slice_util.sliceInfo([...x!.shape], begin, end, strides, ...masks)
    if (info.finalShapeSparse.includes(0)) return graph.uniform(0, info.finalShape, x!.dtype)
    const taken = tf.slice_util.computeOutShape(info.begin, info.end, info.strides)
    const ends = info.end.map((each, axis) => (info.strides[axis]! < 0 && each < 0 ? beforeTheFirst : each))
    return graph.reshape(range(graph, x!, taken, info.begin, ends, info.strides), info.finalShape)
  },
  Reverse: (graph, { x }, { dims }) => {
    const axes = tf.util.parseAxisParam(dims, [...x!.shape])
    const turned = x!.shape.map((_, axis) => axes.includes(axis))
    return range(
      graph,
      x!,
      x!.shape,
      x!.shape.map((size, axis) => (turned[axis] ? size - 1 : 0)),
      x!.shape.map((size, axis) => (turned[axis] ? beforeTheFirst : size)),
      turned.map((each) => (each ? -1 : 1)),
    )
  },
}
