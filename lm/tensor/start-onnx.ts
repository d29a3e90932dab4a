/** @file Makes ONNX Runtime what TensorFlow.js computes with: the backend on a provider, and its kernels. */
import { lowerings } from './lowerings/index.ts'
import { OnnxBackend } from './onnx-backend.ts'
import type { Provider } from './provider.ts'
import { tf } from './tf.ts'

/** Registers the backend once a process and provider, and makes it the current one. */
export async function startOnnx(provider: Provider): Promise<void> {
  const name = provider === 'cpu' ? 'onnx' : `onnx-${provider}`
  if (tf.findBackendFactory(name) === null) register(name, new OnnxBackend(provider))
  await tf.setBackend(name)
}

function register(backendName: string, backend: OnnxBackend): void {
  tf.registerBackend(backendName, () => backend, 1)
  for (const kernelName of new Set([...Object.keys(lowerings), ...kernelNames()])) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) =>
        backend.execute(kernelName, present(inputs as Record<string, tf.TensorInfo | undefined>), attrs),
    })
  }
}

/** Inputs that a kernel may go without are there and undefined. */
function present(inputs: Record<string, tf.TensorInfo | undefined>): Record<string, tf.TensorInfo> {
  const given = Object.entries(inputs ?? {}).filter((each) => each[1] !== undefined)
  return Object.fromEntries(given) as Record<string, tf.TensorInfo>
}

/** tfjs-core exports each kernel's name under that name; those of fused kernels have a `_` before them. */
function kernelNames(): string[] {
  return Object.entries(tf).flatMap(([name, value]) =>
    value === name || value === `_${name}` ? [value as string] : [],
  )
}
