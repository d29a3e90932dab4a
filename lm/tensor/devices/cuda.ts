/**
 * @file The device `cuda`: ONNX Runtime's CUDA provider, whose libraries `flow setup cuda` puts beside those of its npm
 * package. That package's binding leaves no tensors on such a device: what a graph reads and gives goes to and fro.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Availability } from './availability.ts'
import { proveProduct } from './prove-product.ts'

/** Where ONNX Runtime looks for libraries of providers: beside its own. */
export function onnxRuntimeFolder(): string {
  const location = dirname(createRequire(import.meta.url).resolve('onnxruntime-node/package.json'))
  return join(location, 'bin', 'napi-v6', process.platform, process.arch)
}

export function probeCuda(): Availability {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return {
      usable: false,
      reason: `ONNX Runtime's package for ${process.platform} ${process.arch} comes without CUDA`,
    }
  }
  if (!existsSync(join(onnxRuntimeFolder(), 'libonnxruntime_providers_cuda.so'))) {
    return {
      usable: false,
      reason: "ONNX Runtime's libraries for CUDA are not installed",
      remedy: 'flow setup cuda',
    }
  }
  const { fault } = proveProduct('cuda')
  if (fault === undefined) return { usable: true, description: "ONNX Runtime's CUDA provider", gpu: true }
  return { usable: false, reason: fault, remedy: 'flow setup cuda, and a driver for CUDA 12' }
}
