/** @file The machine that figures belong to. */
import { availableParallelism, cpus, release, totalmem } from 'node:os'
import { version } from '../../../engine/cli/version.ts'

export interface Machine {
  readonly processor: string
  readonly cores: number
  readonly memoryGb: number
  readonly system: string
  readonly versions: Readonly<Record<string, string>>
}

export function machine(): Machine {
  return {
    processor: cpus()[0]?.model.trim() ?? process.arch,
    cores: availableParallelism(),
    memoryGb: Math.round(totalmem() / 1e9),
    system: `${process.platform} ${release()}`,
    versions: { Flow: version(), Node: process.versions.node },
  }
}

export function inWords({ processor, cores, memoryGb, system, versions }: Machine): string {
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`)
  return `${processor}, ${cores} cores, ${memoryGb} GB, ${system}; ${named.join(', ')}`
}
