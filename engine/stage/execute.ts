/** @file Runs a stage once: in a worker process, or in this one where the stage says that it is light. */
import { existsSync } from 'node:fs'
import type { JsonObject } from '../identity.ts'
import type { StageManifest } from './catalog.ts'
import { compileAll } from './compile.ts'
import { captureConsole } from './console-capture.ts'
import { StageFailure } from './failure.ts'
import { runStage, type StageListener } from './run-stage.ts'
import { errorWithoutSecrets, secretTexts, withoutSecrets } from './secrets.ts'
import { workerEntry } from './worker-entry.ts'
import { type LentWorker, WorkerPool } from './worker-pool.ts'
import type { StageTask } from './worker-protocol.ts'

export { killWorkers } from './worker-process.ts'

export interface StageExecution extends StageListener {
  readonly stage: StageManifest
  /** Port -> absolute path, or label -> absolute path for a port that takes many. Optional ports may be absent. */
  readonly inputs: Readonly<Record<string, string | Readonly<Record<string, string>> | undefined>>
  /** Port -> absolute path at which the stage creates the value. */
  readonly outputs: Readonly<Record<string, string>>
  /** Validated, defaults filled in. */
  readonly params: JsonObject
  readonly device: string
  /** What the stage finds in `process.env`. @default that of this process */
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Names of the GPU devices that the stage may use. @default those of this process */
  readonly gpus?: readonly string[]
  readonly threads: number
  /** Absolute path of a folder, which is made when the stage asks for it. */
  readonly checkpoint: string
  /** Port -> hash of the input's content, at least of those that the stage `keeps`. @default it keeps nothing */
  readonly contents?: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  /** Where a stage runs that is not light. @default a process of its own */
  readonly worker?: LentWorker
  readonly signal: AbortSignal
  /**
   * From cancel to SIGKILL.
   * @default 10000
   */
  readonly graceMs?: number
}

/** The stage was cancelled; whatever it wrote is not a result. */
export class StageCancelled extends Error {
  override readonly name = 'StageCancelled'
  constructor() {
    super('the stage was cancelled')
  }
}

/**
 * Settles only after the stage has stopped. Each line that it prints goes to `onLog`.
 * @throws StageFailure as the stage threw it, or `worker-killed`, `worker-exited`, `output-missing`; StageCancelled
 * once `signal` is aborted, whatever the stage still did; any other error of the stage with its own stack.
 */
export async function executeStage(execution: StageExecution): Promise<void> {
  const { stage, signal } = execution
  if (signal.aborted) throw new StageCancelled()
  const task = taskOf(execution)
  const { environment = process.env } = execution
  const secrets = secretTexts(stage.secrets, execution.params, environment)
  const listener = withoutSecrets(execution, secrets)
  try {
    // A light stage would find the environment of this process: one that is given another has a process of its own.
    if (stage.light && environment === process.env)
      await captureConsole(listener, () => runStage(stage.module.bundle, task, signal, listener))
    else await runHeavy(execution, environment, task, listener)
  } catch (error) {
    if (signal.aborted) throw new StageCancelled()
    throw errorWithoutSecrets(error, secrets)
  }
  if (signal.aborted) throw new StageCancelled()
  for (const [port, path] of Object.entries(execution.outputs)) {
    if (existsSync(path)) continue
    throw new StageFailure({
      code: 'output-missing',
      message: `stage '${stage.name}' returned without writing its output '${port}'`,
    })
  }
}

async function runHeavy(
  execution: StageExecution,
  environment: NodeJS.ProcessEnv,
  task: StageTask,
  listener: StageListener,
): Promise<void> {
  const { stage, signal, gpus, graceMs = 10_000 } = execution
  const worker = execution.worker ?? new WorkerPool({ jobs: 1, isolate: true }).lend()
  await worker.run(
    {
      worker: await workerBundle(),
      bundle: stage.module.bundle,
      task,
      signal,
      graceMs,
      environment:
        gpus === undefined ? environment : { ...environment, CUDA_VISIBLE_DEVICES: gpus.join(',') },
    },
    listener,
  )
}

let compiledWorker: Promise<string> | undefined

function workerBundle(): Promise<string> {
  compiledWorker ??= compileAll([workerEntry]).then(([result]) => {
    if (result?.module === undefined)
      throw new Error(`the worker does not compile: ${result?.diagnostics[0]?.message}`)
    return result.module.bundle
  })
  return compiledWorker
}

function taskOf(execution: StageExecution): StageTask {
  const { stage, inputs, outputs, params, device, threads, checkpoint } = execution
  const given: Record<string, string | Readonly<Record<string, string>>> = {}
  for (const [port, { many }] of Object.entries(stage.inputs)) {
    const value = inputs[port] ?? (many ? {} : undefined)
    if (value !== undefined) given[port] = value
  }
  const contents: Record<string, string> = {}
  for (const port of stage.keeps) {
    const hash = execution.contents?.[port]
    if (typeof hash === 'string') contents[port] = hash
  }
  return { inputs: given, outputs, params, device, threads, checkpoint, contents }
}
