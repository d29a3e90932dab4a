/**
 * @file The device `webgpu`: ONNX Runtime's WebGPU provider, part of its npm package, on Vulkan, Metal or Direct3D 12. It
 * computes on the adapter that the system prefers, which may be a driver that runs on the CPU: on Linux the Vulkan loader
 * tells its name.
 */
import { existsSync } from 'node:fs'
import { binding } from 'onnxruntime-node/dist/binding.js'
import type { Availability } from './availability.ts'
import { proveProduct } from './prove-product.ts'

/** Drivers that run on the CPU. */
const software = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i

/** Device files of GPUs: none of them, no GPU. */
const deviceFiles = ['/dev/dri', '/dev/nvidiactl', '/dev/dxg']

/** Whether it is worth asking: the probe takes half a second. */
export function mayHaveGpu(): boolean {
  return process.platform !== 'linux' || deviceFiles.some((file) => existsSync(file))
}

export function probeWebgpu(): Availability {
  if (!binding.listSupportedBackends().some(({ name }) => name === 'webgpu')) {
    return {
      usable: false,
      reason: `ONNX Runtime's package for ${process.platform} ${process.arch} comes without WebGPU`,
    }
  }
  const { fault, log } = proveProduct('webgpu', { environment: { VK_LOADER_DEBUG: 'info,driver' } })
  if (fault !== undefined) return { usable: false, ...explain(fault, log) }
  return { usable: true, ...describeAdapter(log) }
}

function describeAdapter(log: string): { description: string; gpu: boolean } {
  if (process.platform === 'darwin') return { description: 'WebGPU on Metal', gpu: true }
  // "Using "NVIDIA L4" with driver: "libGLX_nvidia.so.0"" where a device is made; the last one is in use.
  const name = [...log.matchAll(/Using "(.+)" with driver:/g)].at(-1)?.[1]
  if (name === undefined) return { description: 'WebGPU on an adapter whose name is not known', gpu: false }
  if (software.test(name)) return { description: `WebGPU on ${name}, which runs on the CPU`, gpu: false }
  return { description: `WebGPU on ${name}`, gpu: true }
}

function explain(fault: string, log: string): { reason: string; remedy?: string } {
  if (!mayHaveGpu()) return { reason: 'this machine has no GPU' }
  if (/Couldn't load Vulkan/.test(log)) {
    return {
      reason: 'the Vulkan loader, libvulkan.so.1, is missing',
      remedy: 'apt-get install libvulkan1, beside a Vulkan driver for the GPU',
    }
  }
  if (/No supported adapters/.test(fault)) {
    return {
      reason: 'no Vulkan driver finds a GPU',
      remedy:
        'install a Vulkan driver for the GPU: NVIDIA brings its own (in a container: NVIDIA_DRIVER_CAPABILITIES=all), ' +
        'for others apt-get install mesa-vulkan-drivers',
    }
  }
  return { reason: fault, remedy: "update the GPU's driver" }
}
