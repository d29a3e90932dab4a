/** @file A project in a temporary folder, in which tests run the real command line. */
import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import type { FlowEvent } from '../../engine/events/event.ts'

export const flow = fileURLToPath(new URL('../../engine/cli/flow.js', import.meta.url))
const stages = fileURLToPath(new URL('../fixtures/cli/stages', import.meta.url))

export interface Finished {
  /** Exit code; null where a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface FinishedRun extends Finished {
  readonly events: readonly FlowEvent[]
  readonly executed: readonly string[]
  readonly reused: readonly string[]
}

export class TestProject {
  readonly folder: string

  /** Removed when the test is over. `files`: path -> text. */
  constructor(files: Readonly<Record<string, string>> = {}) {
    this.folder = mkdtempSync(join(tmpdir(), 'flow-test-'))
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }))
    cpSync(stages, join(this.folder, 'stages'), { recursive: true })
    for (const [path, text] of Object.entries(files)) this.write(path, text)
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true })
    writeFileSync(join(this.folder, path), text)
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8')
  }

  /** Paths of all files below a folder, sorted. */
  files(folder: string): string[] {
    return readdirSync(join(this.folder, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(this.folder.length + 1))
      .sort()
  }

  start(args: readonly string[], environment: Readonly<Record<string, string>> = {}): RunningFlow {
    const running = new RunningFlow(this.folder, args, environment)
    onTestFinished(() => void running.process.kill('SIGKILL'))
    return running
  }

  async flow(...args: string[]): Promise<Finished> {
    return await this.start(args).finished
  }

  /** `flow run --json` */
  async run(...args: string[]): Promise<FinishedRun> {
    return withEvents(await this.start(['run', '--json', ...args]).finished)
  }
}

export class RunningFlow {
  readonly process: ChildProcess
  readonly finished: Promise<Finished>
  readonly lines: string[] = []
  readonly #waiting = new Set<() => void>()

  constructor(folder: string, args: readonly string[], environment: Readonly<Record<string, string>>) {
    const { NO_COLOR: _, FORCE_COLOR: __, ...inherited } = process.env
    this.process = spawn(process.execPath, [flow, ...args], {
      cwd: folder,
      env: { ...inherited, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    this.process.stdout?.on('data', (data) => {
      stdout += data
    })
    this.process.stderr?.on('data', (data) => {
      stderr += data
    })
    if (this.process.stdout !== null) {
      createInterface({ input: this.process.stdout }).on('line', (line) => {
        this.lines.push(line)
        for (const wake of this.#waiting) wake()
      })
    }
    this.finished = new Promise((resolve) => {
      this.process.on('close', (code) => {
        for (const wake of this.#waiting) wake()
        resolve({ code, stdout, stderr })
      })
    })
  }

  /** Resolves when a line of output passes the test, or with undefined when the process has ended without one. */
  async line(test: (line: string, index: number) => boolean): Promise<string | undefined> {
    return await new Promise((resolve) => {
      const wake = () => {
        const found = this.lines.find(test)
        if (found === undefined && this.process.exitCode === null && this.process.signalCode === null) return
        this.#waiting.delete(wake)
        resolve(found)
      }
      this.#waiting.add(wake)
      wake()
    })
  }

  /** Ids of the processes that stages run in, or are going to. */
  get workers(): number[] {
    return descendants(this.process.pid ?? 0).filter((pid) =>
      commandLine(pid).includes('engine-stage-worker'),
    )
  }

  /** The process and all that it started, at once, without a word. */
  killTree(): void {
    kill([...descendants(this.process.pid ?? 0), this.process.pid ?? 0])
  }

  /** All that the process started, at once, without a word. */
  killWorkers(): void {
    kill(descendants(this.process.pid ?? 0))
  }
}

function kill(pids: readonly number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      // It has ended by itself.
    }
  }
}

export function withEvents(finished: Finished): FinishedRun {
  const events = finished.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as FlowEvent)
  const outcomes = events.filter((event) => event.type === 'node-finished')
  const named = (outcome: string) =>
    outcomes.filter((event) => event.outcome === outcome).map((event) => String(event.node))
  return { ...finished, events, executed: named('executed').sort(), reused: named('reused').sort() }
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
  } catch {
    return ''
  }
}

function descendants(root: number): number[] {
  const parents = new Map<number, number>()
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]))
    } catch {
      // It ended meanwhile.
    }
  }
  const found: number[] = []
  for (let at = -1; at < found.length; at++) {
    const parent = at < 0 ? root : found[at]
    for (const [pid, ppid] of parents) if (ppid === parent) found.push(pid)
  }
  return found
}
