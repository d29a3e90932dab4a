/** @file Runs a stage's own code on files in a temporary folder, and keeps what it said. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Ajv from 'ajv'
import { afterEach } from 'vitest'
import type { Progress } from '../../engine/stage/define.ts'
import { isStageFailure, type StageFailure } from '../../engine/stage/failure.ts'

export interface AnyStage {
  readonly inputs: Readonly<Record<string, unknown>>
  readonly outputs: Readonly<Record<string, unknown>>
  readonly params: object
  // biome-ignore lint/suspicious/noExplicitAny: any stage's context, whatever its ports
  run(context: any): Promise<void>
}

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flow-stage-'))
  folders.push(folder)
  return folder
}

/** Writes text, or rows as JSON Lines, and returns the path. */
export function temporaryFile(name: string, content: string | readonly object[]): string {
  const file = join(temporaryFolder(), name)
  writeFileSync(
    file,
    typeof content === 'string' ? content : content.map((row) => `${JSON.stringify(row)}\n`).join(''),
  )
  return file
}

export interface StageRun {
  readonly outputs: Readonly<Record<string, string>>
  readonly logs: readonly string[]
  readonly warnings: readonly string[]
  text(port: string): string
  // biome-ignore lint/suspicious/noExplicitAny: rows of any type
  rows(port: string): any[]
}

export interface RunCourse {
  /** A folder that survives the run. @default a fresh one */
  readonly checkpoint?: string
  readonly signal?: AbortSignal
  /** @default 'cpu' */
  readonly device?: string
  /** @default 1 */
  readonly threads?: number
  progress?(progress: Progress): void
  /** @default loads anew */
  keep?(port: string, what: string, load: () => unknown): { value: unknown; isShared: boolean }
}

/** Parameters are filled with their defaults and validated, as the engine does. */
export async function runStage(
  stage: AnyStage,
  inputs: Readonly<Record<string, string | Readonly<Record<string, string>>>>,
  params: Readonly<Record<string, unknown>> = {},
  course: RunCourse = {},
): Promise<StageRun> {
  const folder = temporaryFolder()
  const outputs = Object.fromEntries(Object.keys(stage.outputs).map((port) => [port, join(folder, port)]))
  const many = Object.entries(stage.inputs).filter(([, port]) => (port as { many?: boolean }).many)
  const filled = structuredClone(params)
  const validate = new Ajv({ useDefaults: true, strict: false }).compile(
    JSON.parse(JSON.stringify(stage.params)),
  )
  if (!validate(filled)) throw new Error(`parameters: ${JSON.stringify(validate.errors)}`)
  const logs: string[] = []
  const warnings: string[] = []
  const closing: (() => string | undefined)[] = []
  await stage.run({
    inputs: { ...Object.fromEntries(many.map(([port]) => [port, {}])), ...inputs },
    outputs,
    params: filled,
    device: course.device ?? 'cpu',
    threads: course.threads ?? 1,
    checkpoint: course.checkpoint ?? temporaryFolder(),
    signal: course.signal ?? new AbortController().signal,
    progress: (progress: Progress) => course.progress?.(progress),
    log: (message: string) => logs.push(message),
    warn: (message: string) => warnings.push(message),
    atEnd: (say: () => string | undefined) => closing.push(say),
    keep:
      course.keep ??
      ((_port: string, _what: string, load: () => unknown) => ({ value: load(), isShared: false })),
  })
  for (const message of closing.map((say) => say())) if (message !== undefined) logs.push(message)
  const text = (port: string) => readFileSync(outputs[port]!, 'utf8')
  return {
    outputs,
    logs,
    warnings,
    text,
    rows: (port) =>
      text(port)
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line)),
  }
}

/** The failure that `run` ends with; it is an error of the test if it ends well or with a bug. */
export async function failureOf(run: Promise<unknown>): Promise<StageFailure['details']> {
  try {
    await run
  } catch (error) {
    if (isStageFailure(error)) return error.details
    throw error
  }
  throw new Error('the stage did not fail')
}
