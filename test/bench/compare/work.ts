/**
 * @file What is compared: works, each done by several contestants on equal input, one after another, every one in a
 * fresh process. A program is given the path of its settings as JSON, and its last line of output is an `Outcome` as JSON.
 */
import type { Options } from './options.ts'

/** Who runs a program: Flow's own Node, or the interpreter that the option of this name gives. */
export type Interpreter = 'node' | 'torch' | 'llama'

export interface Contestant {
  /** Heads its column. */
  readonly name: string
  readonly interpreter: Interpreter
  /** `node`: a module below test/bench, without its extension; else a script below test/reference/bench. */
  readonly program: string
  /** What it is told beyond the work's own settings. */
  readonly settings?: Readonly<Record<string, unknown>>
}

export interface Outcome {
  /** By what is measured and its unit: `time a step, s`. */
  readonly figures: Readonly<Record<string, number>>
  /** Token ids, where contestants should give the same: they are compared with the first one's. */
  readonly answers?: readonly (readonly number[])[]
  /** Versions of what computed. */
  readonly versions?: Readonly<Record<string, string>>
}

/** A figure of ours divided by a peer's. */
export interface Goal {
  readonly figure: string
  readonly ours: string
  readonly peer: string
  readonly bound: 'at most' | 'at least'
  readonly ratio: number
}

export interface Work {
  /** For `--only`. */
  readonly name: string
  readonly title: string
  /** What every contestant is told; files go to `folder`. A string says why the work cannot be done. */
  prepare(
    options: Options,
    folder: string,
  ): Readonly<Record<string, unknown>> | string | Promise<Readonly<Record<string, unknown>> | string>
  contestants(options: Options): readonly Contestant[]
  readonly goals?: readonly Goal[]
}
