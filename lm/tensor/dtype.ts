/** @file Element types that both TensorFlow.js and ONNX Runtime hold as typed arrays. */

export type ElementType = 'float32' | 'int32' | 'bool'
export type TypedArray = Float32Array | Int32Array | Uint8Array

/** ONNX TensorProto.DataType. */
export const onnxType = { float32: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float64: 11 } as const

export function isElementType(dtype: string): dtype is ElementType {
  return dtype === 'float32' || dtype === 'int32' || dtype === 'bool'
}

/** `dtype`; throws where it is none. */
export function elementType(dtype: string): ElementType {
  if (isElementType(dtype)) return dtype
  throw new Error(`no tensors of type ${dtype} on this backend`)
}

export function allocate(dtype: ElementType, length: number): TypedArray {
  if (dtype === 'float32') return new Float32Array(length)
  return dtype === 'int32' ? new Int32Array(length) : new Uint8Array(length)
}

/** `values` as the typed array of `dtype`; the same object where it is one already. */
export function toTypedArray(values: ArrayLike<number | boolean>, dtype: ElementType): TypedArray {
  if (dtype === 'float32') {
    return values instanceof Float32Array ? values : Float32Array.from(values as ArrayLike<number>)
  }
  if (dtype === 'int32') {
    return values instanceof Int32Array ? values : Int32Array.from(values as ArrayLike<number>)
  }
  return values instanceof Uint8Array ? values : Uint8Array.from(values as ArrayLike<number>)
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1)
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((dimension, index) => dimension === b[index])
}

/** The shape that `a` and `b` broadcast to (NumPy's rule). Throws where they do not. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, index) => {
    const left = a[a.length - rank + index] ?? 1
    const right = b[b.length - rank + index] ?? 1
    if (left !== right && left !== 1 && right !== 1)
      throw new Error(`shapes [${a}] and [${b}] do not broadcast`)
    return left === 1 ? right : left
  })
}

/** `axis` counted from the front. */
export function positiveAxis(axis: number, rank: number): number {
  return axis < 0 ? axis + rank : axis
}
