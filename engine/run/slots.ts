/**
 * @file What running nodes compete for. A node holds one slot while its stage runs; a stage that can use a GPU
 * also holds one named device. A light stage holds nothing.
 */
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import PQueue from 'p-queue'

/**
 * Threads that a stage may keep busy. The same whatever `--jobs` is: sums in another order give other bytes, and
 * the bytes of a result must not depend on what ran beside it.
 */
export const stageThreads = Math.min(availableParallelism(), 4)

/** Stages that run side by side when `--jobs` is not given: one for every two cores, at most two. */
export const defaultJobs = availableParallelism() <= 2 ? 1 : 2

export interface SlotOptions {
  readonly jobs: number
  /** Names of GPU devices; none: stages that can use a GPU compete for ordinary slots alone. */
  readonly gpus: readonly string[]
}

export interface SlotRequest {
  readonly light: boolean
  readonly gpu: boolean
  /** The higher goes first. */
  readonly priority: number
}

export class Slots {
  readonly #jobs: PQueue
  readonly #gpuTurns: PQueue | undefined
  readonly #freeGpus: string[]

  constructor({ jobs, gpus }: SlotOptions) {
    this.#jobs = new PQueue({ concurrency: jobs })
    this.#gpuTurns = gpus.length === 0 ? undefined : new PQueue({ concurrency: gpus.length })
    this.#freeGpus = [...gpus]
  }

  /** Runs `task` as soon as all that it needs is free. `gpu` is the name of the device that it holds. */
  async hold<T>(request: SlotRequest, task: (gpu: string | undefined) => Promise<T>): Promise<T> {
    if (request.light) return await task(undefined)
    const inJobSlot = (gpu: string | undefined) =>
      this.#jobs.add(() => task(gpu), { priority: request.priority })
    if (!request.gpu || this.#gpuTurns === undefined) return await inJobSlot(undefined)
    // The device comes first: who waits for one must not keep an ordinary slot from the others.
    return await this.#gpuTurns.add(
      async () => {
        const gpu = this.#freeGpus.shift()
        try {
          return await inJobSlot(gpu)
        } finally {
          if (gpu !== undefined) this.#freeGpus.push(gpu)
        }
      },
      { priority: request.priority },
    )
  }
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
