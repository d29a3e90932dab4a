/** @file Named arrays on the host, and the tensors made of them. */
import { type Tensor, type TensorMap, tf } from './tf.ts'

/** A tensor's content on the host. */
export interface HostTensor {
  readonly shape: number[]
  /** Names of the sizes that may be others where equal work is done, by axis; null is fixed. @default all are fixed */
  readonly openSizes?: readonly (string | null)[] | undefined
  readonly data: Float32Array | Int32Array
}
export type HostBatch = Record<string, HostTensor>

/** By array, as `jit` takes them. */
export function openSizesOf(batch: HostBatch): Record<string, readonly (string | null)[]> {
  const open = Object.entries(batch).flatMap(([name, { openSizes }]) =>
    openSizes ? [[name, openSizes]] : [],
  )
  return Object.fromEntries(open)
}

/** Uploads host arrays; the caller disposes them. */
export function upload(batch: HostBatch): TensorMap {
  const tensors: Record<string, Tensor> = {}
  for (const [name, { data, shape }] of Object.entries(batch)) {
    tensors[name] = tf.tensor(data, shape, data instanceof Float32Array ? 'float32' : 'int32')
  }
  return tensors
}
