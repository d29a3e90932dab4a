/** @file Kernels that write by index: segment sums and scattered updates. */
import { type ElementType, sizeOf } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'
import { type Lowerings, NoLowering } from './lowering.ts'

/**
 * Writes rows into the rows of a matrix, or adds them to what is there.
 * @param base [rows, elements]
 * @param updates [count, elements]
 * @param target which row each goes to, [count, 1] int32; one out of range is an error when the graph runs
 */
function scatterRows(
  graph: Graph,
  base: Value,
  target: Value,
  updates: Value,
  reduction: 'add' | 'none',
): Value {
  const index = graph.op('Expand', [target, graph.integers(updates.shape)], {}, updates.shape, 'int32')
  // Not ScatterND: its threads add to one row at the same time, and lose some of it.
  return graph.op('ScatterElements', [base, index, updates], { axis: 0, reduction }, base.shape, base.dtype)
}

/**
 * The rows that index vectors name, [count, 1].
 * @param indices [..., axes]: positions along the first axes of `shape`
 */
function rowsOf(graph: Graph, indices: Value, shape: readonly number[]): Value {
  const axes = indices.shape.at(-1)!
  const count = sizeOf(indices.shape) / axes
  const flat = [count, axes]
  const extents = shape.slice(0, axes)
  if (extents.some((extent) => graph.isOpen(extent))) throw new NoLowering('an open size')
  const strides = extents.map((_, axis) => sizeOf(extents.slice(axis + 1)))
  const bounds = graph.constant(Int32Array.from(extents), [1, axes], 'int32')
  const vectors = graph.reshape(indices, flat)
  const within = graph.op(
    'And',
    [
      graph.op('GreaterOrEqual', [vectors, graph.scalar(0, 'int32')], {}, flat, 'bool'),
      graph.op('Less', [vectors, bounds], {}, flat, 'bool'),
    ],
    {},
    flat,
    'bool',
  )
  // A position out of range must not be that of another row: it moves the sum past the end.
  const factors = graph.constant(Int32Array.from(strides), [1, axes], 'int32')
  const outside = graph.scalar(sizeOf(extents), 'int32')
  const terms = graph.op('Mul', [vectors, factors], {}, flat, 'int32')
  const counted = graph.op('Where', [within, terms, outside], {}, flat, 'int32')
  return graph.op('ReduceSum', [counted, graph.integers([1])], { keepdims: 1 }, [count, 1], 'int32')
}

/** Writes `updates` at `indices` into a tensor, or adds them. */
function scatter(
  graph: Graph,
  base: Value,
  indices: Value,
  updates: Value,
  reduction: 'add' | 'none',
): Value {
  const axes = indices.shape.at(-1)!
  const elements = sizeOf(base.shape.slice(axes))
  const count = sizeOf(indices.shape) / axes
  const rows = graph.reshape(base, [sizeOf(base.shape.slice(0, axes)), elements])
  const given = graph.reshape(updates, [count, elements])
  return graph.reshape(
    scatterRows(graph, rows, rowsOf(graph, indices, base.shape), given, reduction),
    base.shape,
  )
}

export const scattering: Lowerings = {
  UnsortedSegmentSum: (graph, { x, segmentIds }, { numSegments }) => {
    const ids = segmentIds!
    const dtype = x!.dtype as ElementType
    const rest = x!.shape.slice(ids.shape.length)
    // Rows of no segment are dropped: zeros, added to the first.
    const bounds = [0, numSegments].map((bound) => graph.sizeAsNumber(bound))
    const above = graph.op('GreaterOrEqual', [ids, bounds[0]!], {}, ids.shape, 'bool')
    const below = graph.op('Less', [ids, bounds[1]!], {}, ids.shape, 'bool')
    const known = graph.op('And', [above, below], {}, ids.shape, 'bool')
    const target = graph.op('Where', [known, ids, bounds[0]!], {}, ids.shape, 'int32')
    // [rows, elements]: a segment's row each, its elements side by side
    const flat = [sizeOf(ids.shape), sizeOf(rest)]
    const rows = graph.reshape(known, [flat[0]!, 1])
    const kept = graph.op('Where', [rows, graph.reshape(x!, flat), graph.scalar(0, dtype)], {}, flat, dtype)
    const zeros = graph.uniform(0, [numSegments, flat[1]!], dtype)
    const sums = scatterRows(graph, zeros, graph.reshape(target, [flat[0]!, 1]), kept, 'add')
    return graph.reshape(sums, [numSegments, ...rest])
  },
  ScatterNd: (graph, { indices, updates }, { shape }) =>
    scatter(graph, graph.uniform(0, shape, updates!.dtype), indices!, updates!, 'add'),
  TensorScatterUpdate: (graph, { tensor, indices, updates }) =>
    scatter(graph, tensor!, indices!, updates!, 'none'),
}
