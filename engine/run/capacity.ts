/** @file What there is to run nodes with: places side by side, GPU devices, memory, and slots by name. */
import { readdirSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'

/**
 * Threads that a stage may keep busy. The same whatever `--jobs` is: sums in another order give other bytes, and
 * the bytes of a result must not depend on what ran beside it.
 */
export const stageThreads = Math.min(availableParallelism(), 4)

/** Stages that run side by side when `--jobs` is not given: one for every two cores, at most two. */
export const defaultJobs = availableParallelism() <= 2 ? 1 : 2

export interface Capacity {
  readonly jobs: number
  /** Names of devices. None: stages that can use a GPU compete for the rest alone. */
  readonly gpus: readonly string[]
  readonly memoryBytes: number
  /** Name -> how many. */
  readonly slots: Readonly<Record<string, number>>
}

export function machineCapacity(limits: {
  readonly jobs: number
  /** As asked for by `--device`. */
  readonly device: string
  readonly slots: Readonly<Record<string, number>>
}): Capacity {
  const { jobs, device, slots } = limits
  return { jobs, gpus: gpuDevices(device, process.env), memoryBytes: machineMemoryBytes(), slots }
}

/** GPU devices of this machine that the environment does not hide: "0", "1", ... */
export function gpuDevices(device: string, environment: NodeJS.ProcessEnv): string[] {
  if (device === 'cpu') return []
  const present = nvidiaDevices()
  const visible = environment.CUDA_VISIBLE_DEVICES
  if (visible === undefined) return present
  return present.length === 0 ? [] : visible.split(',').filter((name) => name !== '' && name !== '-1')
}

function nvidiaDevices(): string[] {
  try {
    return readdirSync('/dev')
      .flatMap((name) => /^nvidia(\d+)$/.exec(name)?.[1] ?? [])
      .sort((one, other) => Number(one) - Number(other))
  } catch {
    return []
  }
}

/** Of the machine, or of the container where that allows less. */
function machineMemoryBytes(): number {
  const limit = process.constrainedMemory()
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}
