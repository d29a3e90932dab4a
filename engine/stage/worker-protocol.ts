/** @file What the engine and a stage's worker process say to each other over IPC. */
import type { JsonObject } from '../identity.ts'
import type { Progress } from './define.ts'
import { isStageFailure, StageFailure, type StageFailureDetails } from './failure.ts'
import { machineFailure } from './machine-failure.ts'
import type { ResourceUse } from './resource-use.ts'

/** What a stage is given, as plain data. */
export interface StageTask {
  readonly inputs: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly outputs: Readonly<Record<string, string>>
  readonly params: JsonObject
  readonly device: string
  readonly threads: number
  /** Of a folder that may have to be made. */
  readonly checkpoint: string
  /** Content hashes of the inputs of which the stage keeps what it loads, by port. */
  readonly contents: Readonly<Record<string, string>>
}

/** What a worker that stays for another node says of itself. */
export interface Staying {
  /** Hash of the input that it keeps something of. */
  readonly content: string
  /** What it holds of the machine's memory. */
  readonly residentBytes: number
}

export type LogLevel = 'info' | 'warning'

export type ToWorker =
  | {
      readonly type: 'run'
      /** Absolute path of the stage's compiled module. */
      readonly bundle: string
      readonly task: StageTask
      /** How long the stage may go on after a cancel or the engine's death. */
      readonly graceMs: number
      /** Somebody else ends the process then; else it has to look for the engine itself. */
      readonly isGuarded: boolean
      /**
       * The process stays for another node, if it may, and ends its output for this one with the mark: a line that
       * nothing else says. Without it the process ends with the stage.
       */
      readonly stayMark?: string
    }
  | { readonly type: 'cancel' }

export type FromWorker =
  /** It has got the task. */
  | { readonly type: 'started' }
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'log'; readonly level: LogLevel; readonly message: string }
  | { readonly type: 'used'; readonly use: ResourceUse }
  | { readonly type: 'finished'; readonly staying?: Staying }
  | { readonly type: 'failed'; readonly error: CarriedError }

/** An error on its way between processes. */
export interface CarriedError {
  readonly name: string
  readonly message: string
  readonly stack?: string
  /** Of a `StageFailure`, or of what the machine refused. */
  readonly details?: StageFailureDetails
}

export function carry(error: unknown): CarriedError {
  if (!(error instanceof Error)) return { name: 'Error', message: `thrown: ${String(error)}` }
  const { name, message } = error
  const stack = stackWithCauses(error)
  const details = isStageFailure(error) ? error.details : machineFailure(error)
  return { name, message, ...(stack !== undefined && { stack }), ...(details !== undefined && { details }) }
}

/** A `StageFailure` comes out as one; any other error keeps its name, and each the stack of where it was thrown. */
export function uncarry({ name, message, stack, details }: CarriedError): Error {
  const error =
    details === undefined ? Object.assign(new Error(message), { name }) : new StageFailure(details)
  if (stack !== undefined) error.stack = stack
  return error
}

function stackWithCauses(error: Error): string | undefined {
  if (!(error.cause instanceof Error) || error.cause === error) return error.stack
  return `${error.stack}\nCaused by: ${stackWithCauses(error.cause)}`
}
