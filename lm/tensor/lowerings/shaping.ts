/** @file Kernels that move elements without computing: reshape, transpose, concat, split, pad, tile, fill. */
import { allocate, type ElementType, onnxType, positiveAxis, sizeOf } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import { tf } from '../tf.ts'
import { type Lowerings, list, NoLowering } from './lowering.ts'

function concat(graph: Graph, values: readonly Value[], axis: number): Value {
  const { dtype } = values[0]!
  const shape = [...values[0]!.shape]
  shape[axis] = values.reduce((sum, value) => sum + value.shape[axis]!, 0)
  const present = values.filter((value) => sizeOf(value.shape) > 0)
  if (present.length === 0) return graph.uniform(0, shape, dtype)
  if (present.length === 1) return present[0]!
  return graph.op('Concat', present, { axis }, shape, dtype)
}

export const shaping: Lowerings = {
  Identity: (_, { x }) => x!,
  Reshape: (graph, { x }, { shape }) =>
    graph.reshape(x!, tf.util.inferFromImplicitShape(shape, sizeOf(x!.shape))),
  ExpandDims: (graph, { input }, { dim }) => {
    const shape = [...input!.shape]
    shape.splice(positiveAxis(dim, shape.length + 1), 0, 1)
    return graph.reshape(input!, shape)
  },
  Transpose: (graph, { x }, { perm }) => {
    const shape = (perm as number[]).map((axis) => x!.shape[axis]!)
    if (x!.uniform !== undefined) return graph.uniform(x!.uniform, shape, x!.dtype)
    const moved = (perm as number[]).filter((axis) => x!.shape[axis] !== 1)
    // Only axes of length 1 change places: the numbers stay where they are.
    if (moved.every((axis, index) => index === 0 || axis > moved[index - 1]!)) return graph.reshape(x!, shape)
    return graph.op('Transpose', [x!], { perm }, shape, x!.dtype)
  },
  Concat: (graph, inputs, { axis }) => {
    const values = list(inputs)
    return concat(graph, values, positiveAxis(axis, values[0]!.shape.length))
  },
  Pack: (graph, inputs, { axis }) => {
    const values = list(inputs)
    const at = positiveAxis(axis, values[0]!.shape.length + 1)
    const raised = values.map((value) => {
      const shape = [...value.shape]
      shape.splice(at, 0, 1)
      return graph.reshape(value, shape)
    })
    return concat(graph, raised, at)
  },
  Unpack: (graph, { value }, { axis }) => {
    const at = positiveAxis(axis, value!.shape.length)
    const count = value!.shape[at]!
    const part = value!.shape.map((dimension, index) => (index === at ? 1 : dimension))
    const flat = value!.shape.filter((_, index) => index !== at)
    if (count === 1) return [graph.reshape(value!, flat)]
    const sizes = Array.from({ length: count }, () => 1)
    return graph
      .ops(
        'Split',
        [value!, graph.integers(sizes)],
        { axis: at },
        sizes.map(() => part),
        value!.dtype,
      )
      .map((each) => graph.reshape(each, flat))
  },
  SplitV: (graph, { x }, { numOrSizeSplits, axis }) => {
    const at = positiveAxis(axis, x!.shape.length)
    const asTensor = { shape: [...x!.shape] } as unknown as tf.Tensor
    const sizes = tf.backend_util.prepareSplitSize(asTensor, numOrSizeSplits, at)
    if (sizes.length === 1) return [x!]
    const shapes = sizes.map((size) => x!.shape.map((dimension, index) => (index === at ? size : dimension)))
    return graph.ops('Split', [x!, graph.integers(sizes)], { axis: at }, shapes, x!.dtype)
  },
  PadV2: (graph, { x }, { paddings, constantValue }) => {
    const pairs = paddings as [number, number][]
    if (pairs.every(([before, after]) => before === 0 && after === 0)) return x!
    const amounts = graph.integers([...pairs.map((pair) => pair[0]), ...pairs.map((pair) => pair[1])])
    const shape = x!.shape.map((dimension, index) => pairs[index]![0] + dimension + pairs[index]![1])
    const fill = graph.scalar(constantValue ?? 0, x!.dtype as ElementType)
    return graph.op('Pad', [x!, amounts, fill], { mode: 'constant' }, shape, x!.dtype)
  },
  MirrorPad: (graph, { x }, { paddings, mode }) => {
    if (mode !== 'reflect') throw new NoLowering(`the mode \`${mode}\``)
    const pairs = paddings as [number, number][]
    const amounts = graph.integers([...pairs.map((pair) => pair[0]), ...pairs.map((pair) => pair[1])])
    const shape = x!.shape.map((dimension, index) => pairs[index]![0] + dimension + pairs[index]![1])
    return graph.op('Pad', [x!, amounts], { mode: 'reflect' }, shape, x!.dtype)
  },
  Tile: (graph, { x }, { reps }) => {
    const shape = x!.shape.map((dimension, index) => dimension * reps[index])
    if (x!.uniform !== undefined) return graph.uniform(x!.uniform, shape, x!.dtype)
    return graph.op('Tile', [x!, graph.integers(reps)], {}, shape, x!.dtype)
  },
  Fill: (graph, _, { shape, value, dtype }) => graph.uniform(Number(value), shape, dtype ?? 'float32'),
  Range: (graph, _, { start, stop, step, dtype }) => {
    // tfjs counts down where `stop` lies below `start` and no step is given, which arrives here as 1.
    const stride = step === 1 && stop < start ? -1 : step
    const length = Math.max(0, Math.ceil((stop - start) / stride))
    if (graph.isOpen(length)) {
      if (start !== 0 || stride !== 1)
        throw new NoLowering('a range of an open size that does not count from 0')
      return graph.op('Cast', [graph.range(length)], { to: onnxType[dtype as ElementType] }, [length], dtype)
    }
    const values = allocate(dtype, length).map((_, index) => start + index * stride)
    return graph.constant(values, [length], dtype)
  },
  LinSpace: (graph, _, { start, stop, num }) => {
    const step = (stop - start) / (num - 1)
    const values = Float32Array.from({ length: num }, (_, index) =>
      index === 0 ? start : start + index * step,
    )
    return graph.constant(values, [num], 'float32')
  },
  ZerosLike: (graph, { x }) => graph.uniform(0, x!.shape, x!.dtype),
  OnesLike: (graph, { x }) => graph.uniform(1, x!.shape, x!.dtype),
}
