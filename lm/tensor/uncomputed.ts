/** @file Kernels that only give a buffer another name, shape or uniform content: no session runs for them. */
import type { Buffers } from './buffers.ts'
import { elementType, sizeOf } from './dtype.ts'
import type { KernelAttributes } from './lowerings/lowering.ts'
import { tf } from './tf.ts'

/** Undefined where the kernel computes something. */
export function withoutComputing(
  buffers: Buffers,
  kernel: string,
  { x }: Readonly<Record<string, tf.TensorInfo>>,
  attributes: KernelAttributes,
): tf.TensorInfo | undefined {
  switch (kernel) {
    case 'Identity':
      return shared(buffers, x!, x!.shape)
    case 'Cast':
      return x!.dtype === attributes.dtype ? shared(buffers, x!, x!.shape) : undefined
    case 'Reshape':
      return shared(buffers, x!, tf.util.inferFromImplicitShape(attributes.shape, sizeOf(x!.shape)))
    case 'Fill':
      return filled(buffers, attributes.shape, attributes.dtype ?? 'float32', Number(attributes.value))
    case 'ZerosLike':
      return filled(buffers, x!.shape, x!.dtype, 0)
    case 'OnesLike':
      return filled(buffers, x!.shape, x!.dtype, 1)
    default:
      return undefined
  }
}

function shared(buffers: Buffers, { dataId, dtype }: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
  buffers.share(dataId)
  return { dataId, shape: [...shape], dtype }
}

function filled(
  buffers: Buffers,
  shape: readonly number[],
  dtype: tf.DataType,
  value: number,
): tf.TensorInfo {
  const type = elementType(dtype)
  return buffers.adopt(buffers.allocate(type, sizeOf(shape)).fill(value), shape, type)
}
