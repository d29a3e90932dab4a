/** @file Runs a contestant's program in a fresh process, so that its peak memory is that of its own work. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { withMemoryTuning } from '../../../engine/stage/worker-memory.ts'
import { root } from '../flow.ts'
import type { Options } from './options.ts'
import type { Contestant, Outcome } from './work.ts'

export interface Run extends Outcome {
  /** From the start of the process to its end. */
  readonly processSeconds: number
}

/** @throws Error with the end of what the program wrote, where it fails */
export async function runContestant(
  { name, interpreter, program, settings }: Contestant,
  shared: Readonly<Record<string, unknown>>,
  options: Options,
  folder: string,
): Promise<Run> {
  const settingsFile = join(folder, `${name.replaceAll(/\W+/g, '-')}.json`)
  const { model, threads } = options
  writeFileSync(settingsFile, JSON.stringify({ model, threads, ...shared, ...settings }))
  const [command, ...args] =
    interpreter === 'node'
      ? [process.execPath, join(root, 'test/bench/run.js'), program, settingsFile]
      : [options[interpreter]!, join(root, 'test/reference/bench', program), settingsFile]
  const startMs = performance.now()
  // Flow's programs do what stages do, in the environment that a stage's worker has.
  const env = interpreter === 'node' ? withMemoryTuning(process.env) : process.env
  const child = spawn(command!, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env })
  let [output, errors] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-8000)
  })
  const [exitCode] = (await once(child, 'close')) as [number | null]
  const processSeconds = (performance.now() - startMs) / 1000
  if (exitCode !== 0) throw new Error(`${command} ${args.join(' ')}\nended with ${exitCode}\n${errors}`)
  return { ...(JSON.parse(output.trimEnd().split('\n').at(-1)!) as Outcome), processSeconds }
}
