/** @file Changes of element type, for the Cast kernel and for operators that take fewer types than tfjs does. */
import { type ElementType, onnxType } from '../dtype.ts'
import type { Graph, Value } from '../graph.ts'

/** float32 to int32 truncates; numbers beyond int32, and NaN, come out as they may. */
export function cast(graph: Graph, x: Value, dtype: ElementType): Value {
  if (x.dtype === dtype) return x
  if (x.castOf?.dtype === dtype) return x.castOf
  if (x.uniform !== undefined) {
    const value =
      dtype === 'bool' ? Number(x.uniform !== 0) : dtype === 'int32' ? Math.trunc(x.uniform) : x.uniform
    return graph.uniform(value, x.shape, dtype)
  }
  return graph.op('Cast', [x], { to: onnxType[dtype] }, x.shape, dtype)
}

/** `x`, as int32 where it is bool: most operators of ONNX Runtime take no bool. */
export function withoutBool(graph: Graph, x: Value): Value {
  return x.dtype === 'bool' ? cast(graph, x, 'int32') : x
}
