/** @file A project whose runs meet faults, and which can be put back to how it was before, again and again. */
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { type FinishedRun, TestProject, withEvents } from '../cli/test-project.ts'
import { type FaultMode, type FaultPlan, type FileCall, faultEnvironment } from './fault-plan.ts'
import { leftBehind, storeFaults } from './verify-store.ts'

const stages = fileURLToPath(new URL('../fixtures/faults/stages', import.meta.url))

/** A file of each kind in the store, at an output path and as an input; all in the engine's own process. */
export const workflow = `nodes:
  clean: { uses: trim, in: { text: in.txt }, out: { text: out/clean.txt } }
  tree:
    uses: leaves
    in: { text: '\${{ nodes.clean.text }}' }
    out: { tree: out/tree, count: out/count.txt }
  list: { uses: listing, in: { tree: '\${{ nodes.tree.tree }}' }, out: { text: out/list.txt } }
`
export const nodes = ['clean', 'list', 'tree']

/** What stands beside the outputs and is none of Flow's business. */
const usersOwn = {
  'in.txt': ' some words of text ',
  'out/notes.txt': 'mine',
  'notes/.new-notes': 'mine, too',
}

export interface FaultyRun extends FinishedRun {
  /** Which call the fault met, if it met one. */
  readonly met: string | undefined
}

export class FaultyProject extends TestProject {
  readonly #aside: string

  constructor() {
    super({ 'w.yaml': workflow, ...usersOwn })
    cpSync(stages, join(this.folder, 'stages'), { recursive: true })
    this.#aside = mkdtempSync(join(tmpdir(), 'flow-aside-'))
    onTestFinished(() => rmSync(this.#aside, { recursive: true, force: true }))
  }

  /** Remembers what is there now, to be brought back by `restore`. */
  keep(): void {
    for (const name of this.#changing()) {
      cpSync(join(this.folder, name), join(this.#aside, 'kept', name), { recursive: true })
    }
  }

  restore(): void {
    for (const name of this.#changing()) rmSync(join(this.folder, name), { recursive: true, force: true })
    cpSync(join(this.#aside, 'kept'), this.folder, { recursive: true, verbatimSymlinks: true })
  }

  #changing(): string[] {
    return readdirSync(this.folder).filter((name) => name !== 'stages')
  }

  /** All calls of a run, in their order. */
  async listCalls(): Promise<FileCall[]> {
    const record = join(this.#aside, 'calls.jsonl')
    rmSync(record, { force: true })
    const run = await this.#runWith({ project: this.folder, record })
    if (run.code !== 0) throw new Error(`the run whose calls are listed fails:\n${run.stdout}${run.stderr}`)
    return readFileSync(record, 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as FileCall)
  }

  async attack(call: FileCall, mode: FaultMode): Promise<FaultyRun> {
    return await this.#marked((marker) => ({ attack: { call, mode, marker } }))
  }

  async fillDisk(from: FileCall): Promise<FaultyRun> {
    return await this.#marked((marker) => ({ full: { from, marker } }))
  }

  async #marked(plan: (marker: string) => Omit<FaultPlan, 'project'>): Promise<FaultyRun> {
    const marker = join(this.#aside, 'met')
    rmSync(marker, { force: true })
    const run = await this.#runWith({ project: this.folder, ...plan(marker) })
    return { ...run, met: existsSync(marker) ? readFileSync(marker, 'utf8').trimEnd() : undefined }
  }

  async #runWith(plan: FaultPlan): Promise<FinishedRun> {
    const args = ['run', '--json', '--jobs', '1', 'w.yaml']
    return withEvents(await this.start(args, faultEnvironment(plan)).finished)
  }

  /** Path -> content of everything outside the store but the stages. */
  contents(): Record<string, string> {
    const entries = readdirSync(this.folder, { recursive: true, withFileTypes: true })
      .map((entry) => ({ entry, path: join(entry.parentPath, entry.name).slice(this.folder.length + 1) }))
      .filter(({ path }) => !/^(\.flow|stages)(\/|$)/.test(path))
    return Object.fromEntries(
      entries.map(({ entry, path }) => {
        if (entry.isDirectory()) return [`${path}/`, '']
        const location = join(this.folder, path)
        return [
          path,
          entry.isSymbolicLink() ? `-> ${readlinkSync(location)}` : readFileSync(location, 'utf8'),
        ]
      }),
    )
  }

  /** Keys that have a record. */
  recordedKeys(): Set<string> {
    if (!existsSync(join(this.folder, '.flow/actions'))) return new Set()
    return new Set(this.files('.flow/actions').map((path) => basename(path, '.json')))
  }

  storeFaults(): string[] {
    return storeFaults(join(this.folder, '.flow'))
  }

  /** What must not be even right after a crash: anything but things left behind. */
  brokenPromises(): string[] {
    return this.storeFaults().filter((fault) => !fault.endsWith(leftBehind))
  }
}

/**
 * What is wrong with how a run that met a fault has ended: it must be killed, or green with all outputs, or have said
 * what failed without a trace.
 * @param wanted contents of the project after an undisturbed run
 */
export function faultsOfEnd(
  project: FaultyProject,
  run: FaultyRun,
  wanted: Record<string, string>,
): string[] {
  const faults: string[] = []
  if (/^ +at /m.test(run.stderr)) faults.push(`a stack trace: ${run.stderr}`)
  if (run.code === null) return faults
  if (run.code === 0) {
    const found = project.contents()
    for (const path of Object.keys(wanted)) {
      if (found[path] !== wanted[path]) faults.push(`green, but ${path} holds ${found[path]}`)
    }
    return faults
  }
  if (run.code !== 1 && run.code !== 2) faults.push(`exit code ${run.code}`)
  const failures = run.events.flatMap((event) => (event.type === 'node-failed' ? [event.failure] : []))
  for (const { code, message, stack } of failures) {
    if (code === 'stage-crashed' || stack !== undefined) faults.push(`a bug: ${message} ${stack}`)
  }
  if (failures.length === 0 && !run.stdout.includes('"type":"invalid"') && run.stderr === '') {
    faults.push('it failed without a word')
  }
  return faults
}
