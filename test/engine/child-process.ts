/** @file Runs a TypeScript fixture as a process of its own, which a test may kill. */
import { type ChildProcess, spawn } from 'node:child_process'
import { basename, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { onTestFinished } from 'vitest'
import { temporaryFolder } from './temporary-store.ts'

const fixtures = fileURLToPath(new URL('../fixtures/engine', import.meta.url))

/** Path of an ES module that plain Node runs. */
export async function bundleFixture(name: string): Promise<string> {
  const outfile = join(temporaryFolder(), `${basename(name, '.ts')}.mjs`)
  await build({ entryPoints: [join(fixtures, name)], outfile, bundle: true, platform: 'node', format: 'esm' })
  return outfile
}

export interface Child {
  readonly process: ChildProcess
  /** Lines so far; complete once `ended` has resolved. */
  readonly lines: readonly string[]
  /** Resolves with the nth line that begins so (1: the first); rejects if the process ends before it. */
  line(prefix: string, nth?: number): Promise<string>
  readonly ended: Promise<void>
}

export function startChild(script: string, ...args: string[]): Child {
  const child = spawn(process.execPath, [script, ...args], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines: string[] = []
  const waiting = new Set<() => void>()
  const reader = createInterface({ input: child.stdout })
  reader.on('line', (line) => {
    lines.push(line)
    for (const check of waiting) check()
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  const line = (prefix: string, nth = 1): Promise<string> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        const found = lines.filter((candidate) => candidate.startsWith(prefix))[nth - 1]
        if (found === undefined) return
        waiting.delete(check)
        resolve(found)
      }
      waiting.add(check)
      check()
      void ended.then(() =>
        reject(new Error(`the process ended before line ${nth} that begins with "${prefix}"`)),
      )
    })
  return { process: child, lines, line, ended }
}
