/**
 * @file Chooses the device. `cpu`: ONNX Runtime, part of the installation. `webgpu` and `cuda`: its providers for GPUs.
 * `tensorflow`: TensorFlow's native library, operator by operator. `auto`: a GPU through `webgpu` or `tensorflow`, else
 * `cpu`. A device is believed after it multiplied two matrices rightly; what was taken, and why, is part of the answer:
 * nothing falls back silently.
 */
import { LmFailure } from '../failure.ts'
import { forgetCompilations } from './compilations.ts'
import { forgetFallbacks } from './cpu-fallback.ts'
import type { Availability } from './devices/availability.ts'
import { loadCuda, probeCuda } from './devices/cuda.ts'
import { loadTensorFlow } from './devices/tensorflow.ts'
import { mayHaveGpu, probeWebgpu } from './devices/webgpu.ts'
import { setThreads } from './session.ts'
import { startOnnx } from './start-onnx.ts'
import { tf } from './tf.ts'

export const deviceNames = ['cpu', 'webgpu', 'cuda', 'tensorflow'] as const
export type DeviceName = (typeof deviceNames)[number]

export interface Device {
  readonly name: DeviceName
  /** One sentence: what it is and why it was taken. */
  readonly reason: string
}

/** What is known of each device; `tensorflow` is loaded into this process. */
export const probes: Readonly<Record<DeviceName, () => Promise<Availability>>> = {
  cpu: async () => ({ usable: true, description: 'ONNX Runtime on the CPU', gpu: false }),
  webgpu: async () => probeWebgpu(),
  cuda: async () => probeCuda(),
  tensorflow: loadTensorFlow,
}

/**
 * Makes a device the current one of this process, for whoever starts it: what was told of others before is told anew.
 * @param requested `auto` or the name of a device
 * @param threads how many the CPU may use
 * @throws LmFailure `unknown-device`, `device-unusable`
 */
export async function startDevice(requested: string, threads: number): Promise<Device> {
  setThreads(threads)
  forgetCompilations()
  forgetFallbacks()
  if (requested === 'auto') return startBest()
  const name = deviceNames.find((each) => each === requested)
  if (name === undefined) {
    throw new LmFailure({
      code: 'unknown-device',
      message: `there is no device \`${requested}\``,
      hint: `choose auto, ${deviceNames.slice(0, -1).join(', ')} or ${deviceNames.at(-1)}`,
    })
  }
  const found = await probes[name]()
  if (!found.usable) {
    throw new LmFailure({
      code: 'device-unusable',
      message: `the device ${name} cannot be used: ${found.reason}`,
      hint: `${found.remedy === undefined ? '' : `${found.remedy}; `}\`flow doctor\` tells of all devices, \`--device cpu\` needs nothing`,
    })
  }
  return start(name, `${found.description} (as asked)`)
}

/** What `auto` tries, in this order. Not `cuda`: its tensors pass through the memory of the host at each call. */
const gpuDevices = ['webgpu', 'tensorflow'] as const

/** What `auto` takes. */
export function preferred(found: (name: DeviceName) => Availability): DeviceName {
  const isGpu = (availability: Availability) => availability.usable && availability.gpu
  return gpuDevices.find((name) => isGpu(found(name))) ?? 'cpu'
}

async function startBest(): Promise<Device> {
  const reasons: string[] = []
  for (const name of gpuDevices) {
    if (!mayHaveGpu()) break
    const found = await probes[name]()
    if (found.usable && found.gpu) return start(name, found.description)
    reasons.push(`${name}: ${found.usable ? `${found.description}, is no GPU` : found.reason}`)
  }
  return start('cpu', `ONNX Runtime on the CPU (${reasons.join('; ') || 'this machine has no GPU'})`)
}

async function start(name: DeviceName, reason: string): Promise<Device> {
  if (name === 'cuda') loadCuda()
  if (name === 'tensorflow') await tf.setBackend('tensorflow')
  else await startOnnx(name)
  return { name, reason }
}
