/**
 * @file The device `cuda`: ONNX Runtime's CUDA provider, whose libraries `flow setup cuda` fetches. The npm package's binding
 * leaves no tensors on such a device: what a graph reads and gives goes to and fro.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Availability } from './availability.ts'
import { loadLibraries } from './load-libraries.js'
import { proveProduct } from './prove-product.ts'
import { setupFolder } from './tensorflow.ts'

const packageFile = createRequire(import.meta.url).resolve('onnxruntime-node/package.json')

/** Where ONNX Runtime looks for libraries of providers: beside its own. */
export function onnxRuntimeFolder(): string {
  return join(dirname(packageFile), 'bin', 'napi-v6', process.platform, process.arch)
}

/** Where `flow setup cuda` unpacks: each version of ONNX Runtime has libraries of its own. */
export function cudaFolder(): string {
  const { version } = createRequire(import.meta.url)(packageFile) as { version: string }
  return join(setupFolder('cuda'), version)
}

/** What the provider's library needs, each after what it needs itself. */
const needed = [
  ...['cu13/lib/libcudart.so.13', 'cu13/lib/libnvJitLink.so.13', 'cu13/lib/libnvrtc.so.13'],
  ...['cu13/lib/libcublasLt.so.13', 'cu13/lib/libcublas.so.13', 'cu13/lib/libcurand.so.10'],
  ...['cu13/lib/libcufft.so.12', 'cudnn/lib/libcudnn.so.9'],
]

function fetchedLibraries(): string[] {
  return needed.map((path) => join(cudaFolder(), 'nvidia', path)).filter((file) => existsSync(file))
}

/** Before the first session on the device. CUDA that the system itself knows is found without it. */
export function loadCuda(): void {
  loadLibraries(fetchedLibraries())
}

export function probeCuda(): Availability {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    const reason = `ONNX Runtime's package for ${process.platform} ${process.arch} comes without CUDA`
    return { usable: false, reason }
  }
  if (!existsSync('/dev/nvidiactl') && !existsSync('/dev/dxg')) {
    return { usable: false, reason: 'this machine has no NVIDIA GPU' }
  }
  if (!existsSync(join(onnxRuntimeFolder(), 'libonnxruntime_providers_cuda.so'))) {
    const reason = "ONNX Runtime's libraries for CUDA are not installed"
    return { usable: false, reason, remedy: 'flow setup cuda' }
  }
  const { fault } = proveProduct('cuda', { libraries: fetchedLibraries() })
  if (fault === undefined) return { usable: true, description: "ONNX Runtime's CUDA provider", gpu: true }
  return { usable: false, reason: fault, remedy: 'flow setup cuda, and a driver for CUDA 13' }
}
