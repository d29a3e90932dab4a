/** @file Looks at the machine: Node, memory, the project's disk, and each device by a product that it must get right. */
import { accessSync, constants, statfsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, freemem, totalmem } from 'node:os'
import type { Availability } from '../../lm/tensor/devices/availability.ts'

export interface DeviceFinding {
  readonly name: string
  readonly usable: boolean
  /** Whether it is a GPU; drivers of GPUs may run on the CPU. */
  readonly gpu: boolean
  /** What it is, or why it cannot be used. */
  readonly about: string
  /** What would make it usable. */
  readonly remedy?: string
}

export interface Findings {
  /** Whether workflows can run. */
  readonly ready: boolean
  /** What stands in the way, and what may later. */
  readonly faults: readonly string[]
  readonly node: string
  readonly platform: string
  readonly processor: { readonly model: string; readonly threads: number }
  readonly memory: { readonly totalBytes: number; readonly freeBytes: number }
  readonly project: { readonly path: string; readonly writable: boolean; readonly freeBytes: number }
  readonly devices: readonly DeviceFinding[]
  /** What `--device auto` takes. */
  readonly auto: string
}

/** Below this a run soon fails: checkpoints of a small model take as much. */
const littleBytes = 2 ** 30

export async function examine(project: string): Promise<Findings> {
  const { devices, auto } = await examineDevices()
  const disk = examineProject(project)
  const usesCpu = devices.some(({ name, usable }) => name === 'cpu' && usable)
  const blocking = [
    ...(usesCpu ? [] : ['the device cpu cannot be used']),
    ...(disk.writable ? [] : [`${project} cannot be written: runs keep their results in it`]),
  ]
  const little = disk.freeBytes < littleBytes ? ["less than 1 GB is free on the project's disk"] : []
  return {
    ready: blocking.length === 0,
    faults: [...blocking, ...little],
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    processor: { model: cpus()[0]?.model.trim() ?? 'unknown', threads: availableParallelism() },
    memory: {
      totalBytes: Math.min(totalmem(), process.constrainedMemory() || totalmem()),
      freeBytes: freemem(),
    },
    project: { path: project, ...disk },
    devices,
    auto,
  }
}

function examineProject(path: string): { writable: boolean; freeBytes: number } {
  const { bavail, bsize } = statfsSync(path)
  try {
    accessSync(path, constants.W_OK)
    return { writable: true, freeBytes: bavail * bsize }
  } catch {
    return { writable: false, freeBytes: bavail * bsize }
  }
}

async function examineDevices(): Promise<{ devices: DeviceFinding[]; auto: string }> {
  try {
    createRequire(import.meta.url)('onnxruntime-node/dist/binding.js')
  } catch (error) {
    const about = `ONNX Runtime does not load: ${(error as Error).message.split('\n')[0]}`
    const remedy =
      'npm ci, on a system that onnxruntime-node is built for (Linux with glibc, macOS on arm64, Windows)'
    return { devices: [{ name: 'cpu', usable: false, gpu: false, about, remedy }], auto: 'none' }
  }
  // Imported late: it loads ONNX Runtime's library.
  const { deviceNames, preferred, probes } = await import('../../lm/tensor/device.ts')
  const found = new Map<string, Availability>()
  for (const name of deviceNames) found.set(name, await probes[name]())
  const devices = [...found].map(([name, availability]) => describe(name, availability))
  return { devices, auto: preferred((name) => found.get(name)!) }
}

function describe(name: string, found: Availability): DeviceFinding {
  if (found.usable) return { name, usable: true, gpu: found.gpu, about: found.description }
  const { reason, remedy } = found
  return { name, usable: false, gpu: false, about: reason, ...(remedy === undefined ? {} : { remedy }) }
}
