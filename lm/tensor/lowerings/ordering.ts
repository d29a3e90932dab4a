/** @file A value that waits for another: a kernel of this backend that tfjs does not know. */
import type { Graph, Value } from '../graph.ts'
import { cast } from './cast.ts'
import type { Lowerings } from './lowering.ts'

/** Kernel: `x` (float32), `earlier` (not empty) -> x, which depends on `earlier` without being changed by it. */
export const ordering = 'After'

/** The first element of a tensor, float32 [1]. */
function firstOf(graph: Graph, of: Value): Value {
  const value = cast(graph, of, 'float32')
  const { shape } = value
  if (shape.length === 0) return graph.reshape(value, [1])
  const [starts, ends, axes] = [shape.map(() => 0), shape.map(() => 1), shape.map((_, axis) => axis)]
  const bounds = [starts, ends, axes].map((each) => graph.integers(each))
  const first = graph.op('Slice', [value, ...bounds], {}, ends, value.dtype)
  return graph.reshape(first, [1])
}

export const orderings: Lowerings = {
  [ordering]: (graph, { x, earlier }) => {
    if (x!.uniform !== undefined || earlier!.uniform !== undefined) return x!
    const first = firstOf(graph, earlier!)
    // ONNX Runtime joins reshapes of known sizes, and with them loses sight of what they wait for.
    if (!x!.shape.some((size) => graph.isOpen(size))) {
      const magnitude = graph.op('Abs', [first], {}, [1], 'float32')
      const zero = graph.op('Min', [magnitude, graph.scalar(0, 'float32')], {}, [1], 'float32')
      return graph.op('Add', [x!, graph.reshape(zero, [])], {}, x!.shape, 'float32')
    }
    // A reshape copies nothing. The place of the largest of one number is 0, whatever the number.
    const zero = graph.op('ArgMax', [first], { axis: 0, keepdims: 1 }, [1], 'int64')
    const { shape } = x!
    const sizes = graph.op('Add', [graph.integers(shape), zero], {}, [shape.length], 'int64')
    return graph.op('Reshape', [x!, sizes], {}, shape, x!.dtype)
  },
}
