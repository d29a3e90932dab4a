/** @file Whole processes, timed from their start to their end. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { median } from '../works/measure.ts'

export interface Timed {
  readonly seconds: number
  /** The most memory that the process itself held, as sampled; 0 where that was not asked for or there is no /proc. */
  readonly peakBytes: number
  readonly output: string
}

export interface Command {
  readonly program: string
  readonly args: readonly string[]
  readonly folder: string
  /** The process is killed after this long, and its time is `undefined`. */
  readonly limitSeconds?: number
  readonly environment?: Readonly<Record<string, string>>
  /** Each look at the memory holds the process up. @default false */
  readonly samplesMemory?: boolean
}

const sampleMs = 20

/** @throws Error with the end of what it wrote, where it fails */
export async function timeProcess(command: Command): Promise<Timed | undefined> {
  const { program, args, folder, limitSeconds = 600, environment = {}, samplesMemory = false } = command
  const startMs = performance.now()
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  let peakBytes = 0
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-100_000)
    })
  }
  const sample = () => {
    peakBytes = Math.max(peakBytes, highWaterBytes(child.pid ?? 0))
  }
  const sampling = samplesMemory ? setInterval(sample, sampleMs) : undefined
  let late = false
  const limit = setTimeout(() => {
    late = true
    // What it has started goes with it.
    process.kill(-(child.pid ?? 0), 'SIGKILL')
  }, limitSeconds * 1000)
  const [exitCode] = (await once(child, 'close')) as [number | null]
  const seconds = (performance.now() - startMs) / 1000
  clearInterval(sampling)
  clearTimeout(limit)
  if (late) return undefined
  if (exitCode !== 0)
    throw new Error(`${program} ${args.join(' ')} ended with ${exitCode}\n${output.slice(-2000)}`)
  return { seconds, peakBytes, output }
}

/** Medians of commands that take turns, so that what else the machine does falls on all alike. */
export async function timeInTurns(commands: readonly Command[], turns: number): Promise<number[]> {
  const seconds: number[][] = commands.map(() => [])
  for (let turn = 0; turn < turns; turn++) {
    for (const [index, command] of commands.entries()) {
      const timed = await timeProcess(command)
      seconds[index]?.push(timed?.seconds ?? Number.POSITIVE_INFINITY)
    }
  }
  return seconds.map(median)
}

function highWaterBytes(processId: number): number {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${processId}/status`, 'utf8')) ?? []
    return Number(kilobytes ?? 0) * 1024
  } catch {
    return 0
  }
}
