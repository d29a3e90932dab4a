/**
 * @file Kernels that have no lowering, computed one by one by TensorFlow.js's own `cpu` backend: the same numbers,
 * slowly. It is loaded when the first such kernel is called.
 */
import { createRequire } from 'node:module'
import { allocate, elementType, sizeOf } from './dtype.ts'
import type { HostValue } from './session.ts'
import { tf } from './tf.ts'

const told = new Set<string>()

/** Whoever computes from here on is told again. */
export function forgetFallbacks(): void {
  told.clear()
}

/** @param why said once a kernel, on standard error */
export function computeOnCpu(
  kernel: string,
  inputs: Readonly<Record<string, HostValue>>,
  attributes: unknown,
  why: string,
): HostValue | HostValue[] {
  const backend = cpuBackend()
  const run = tf.getKernel(kernel, 'cpu')?.kernelFunc
  if (run === undefined) throw new Error(`${why}, nor does TensorFlow.js compute it on the CPU`)
  if (!told.has(kernel)) {
    told.add(kernel)
    console.warn(`${why}: TensorFlow.js computes it itself, slowly`)
  }
  const given: Record<string, tf.TensorInfo> = {}
  for (const name in inputs) {
    const { dtype, shape, values } = inputs[name]!
    given[name] = { dataId: backend.write(values, [...shape], dtype), shape: [...shape], dtype }
  }
  const results = run({
    // A list of tensors has come as a record of its indices.
    inputs: ('0' in given ? Object.values(given) : given) as tf.NamedTensorInfoMap,
    attrs: attributes as tf.NamedAttrMap,
    backend,
  })
  const taken = [results].flat().map((info) => take(backend, info))
  for (const name in given) backend.disposeData(given[name]!.dataId)
  return Array.isArray(results) ? taken : taken[0]!
}

function take(backend: tf.KernelBackend, { dataId, shape, dtype }: tf.TensorInfo): HostValue {
  const type = elementType(dtype)
  // A copy: the result may share its array with an input.
  const values = allocate(type, sizeOf(shape))
  values.set(backend.readSync(dataId) as ArrayLike<number>)
  backend.disposeData(dataId)
  return { dtype: type, shape, values }
}

function cpuBackend(): tf.KernelBackend {
  if (tf.findBackendFactory('cpu') === null) {
    createRequire(import.meta.url)('@tensorflow/tfjs-backend-cpu')
  }
  const backend = tf.findBackend('cpu')
  // It would recommend to install TensorFlow.
  Object.assign(backend, { firstUse: false })
  return backend
}
