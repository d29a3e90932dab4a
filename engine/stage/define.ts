/**
 * @file The contract of a stage plugin. A stage is a folder in `stages/` whose `index.ts` exports
 * `defineStage({...})` by default. The types of `inputs`, `outputs` and `params` in `run` follow from the
 * declaration.
 */
import type { Static, TObject } from 'typebox'

export interface InputPort {
  /** Artifact type, or several of which any will do. */
  readonly type: string | readonly string[]
  readonly description?: string
  readonly optional?: boolean
  /** Takes several values: a list, or a mapping from labels to values. `run` receives label -> path. */
  readonly many?: boolean
}

export interface OutputPort {
  readonly type: string
  readonly description?: string
}

export type InputDeclaration = string | InputPort
export type OutputDeclaration = string | OutputPort

type InputPath<D> = D extends { readonly many: true }
  ? Readonly<Record<string, string>>
  : D extends { readonly optional: true }
    ? string | undefined
    : string

export type InputPaths<I> = { readonly [port in keyof I]: InputPath<I[port]> }
export type OutputPaths<O> = { readonly [port in keyof O]: string }

/** What a running stage reports. All numbers are optional except `step`. */
export interface Progress {
  readonly step: number
  readonly total?: number
  /** What is counted: `step` (default), `row`, `token`, ... */
  readonly unit?: string
  readonly loss?: number
  readonly tokensPerSecond?: number
  /** One short phrase on what is happening now: "reference log-probabilities". */
  readonly note?: string
}

export interface StageContext<I, O, P> {
  /** Absolute paths of the input values; read-only. An absent optional port is `undefined`; an absent `many` port is `{}`. */
  readonly inputs: InputPaths<I>
  /** Absolute paths that the stage must create: a file or a folder as the artifact's kind says. Their parent exists and is the stage's alone. */
  readonly outputs: OutputPaths<O>
  readonly params: P
  /** As asked for by `--device`: `auto`, `cpu`, `webgpu`, `cuda`, `tensorflow`. */
  readonly device: string
  /** How many threads the stage may keep busy. */
  readonly threads: number
  /** A folder that outlives a crash of the stage or the engine and belongs to this very key: in-stage checkpoints. */
  readonly checkpoint: string
  /** Aborted when the run is cancelled: write a checkpoint and return soon. */
  readonly signal: AbortSignal
  progress(progress: Progress): void
  log(message: string): void
  warn(message: string): void
  /** `say` is called once the stage has ended, well or badly, and what it returns is logged. */
  atEnd(say: () => string | undefined): void
  /**
   * What `load` makes of the input at `port`, which the stage declares that it `keeps`: what an earlier node left in
   * this process, made of the same content, or what is loaded now and left for the next one.
   * @param what tells several values of one input apart: `float32 weights`
   * @param release gives up what has no more use
   */
  keep<Value>(
    port: string & keyof I,
    what: string,
    load: () => Value,
    release: (value: Value) => void,
  ): Kept<Value>
}

export interface Kept<Value> {
  readonly value: Value
  /** Whether other nodes read it, too, so that nobody may alter it; else it is the stage's own. */
  readonly isShared: boolean
}

type ParamName<P extends TObject> = string & keyof Static<P>
type ParamPath<P extends TObject> = ParamName<P> | `${ParamName<P>}.${string}`

export interface StageDefinition<
  I extends Readonly<Record<string, InputDeclaration>>,
  O extends Readonly<Record<string, OutputDeclaration>>,
  P extends TObject,
> {
  /** Kebab-case; the same as its folder. */
  readonly name: string
  readonly description: string
  readonly inputs: I
  readonly outputs: O
  readonly params: P
  /** Parameters, or fields of theirs (`endpoint.timeout_s`), that cannot change any output byte, and so stay out of the cache key. */
  readonly cosmetic?: readonly ParamPath<P>[]
  /**
   * Parameters, or fields of theirs, that name an environment variable which holds a secret. The stage reads it from
   * `process.env`; its value is no part of the key, and is blotted out of logs and errors. Write it nowhere.
   */
  readonly secrets?: readonly ParamPath<P>[]
  /** Runs in the engine's own process: for stages that take well under a second and load nothing heavy. */
  readonly light?: boolean
  /** Names of environment variables that the outputs depend on. */
  readonly environment?: readonly string[]
  /**
   * Input ports that take one value, and of which the stage leaves what it loaded (`keep` of the context) to the next
   * node that reads the same. Nodes of such stages may run one after another in one process; the others have a process
   * each. A stage that leaves more behind (a timer, a process, another working folder or environment) ends it.
   */
  readonly keeps?: readonly (string & keyof I)[]
  /** Where it can use a GPU, it takes one slot while it runs. */
  readonly gpu?: boolean
  run(context: StageContext<I, O, Static<P>>): Promise<void>
}

export function defineStage<
  const I extends Readonly<Record<string, InputDeclaration>>,
  const O extends Readonly<Record<string, OutputDeclaration>>,
  P extends TObject,
>(definition: StageDefinition<I, O, P>): StageDefinition<I, O, P> {
  return definition
}

/** The context that a declared stage's `run` receives: `ContextOf<typeof stage>`, for the module that does the work. */
// biome-ignore lint/suspicious/noExplicitAny: any declared stage
export type ContextOf<Stage extends StageDefinition<any, any, any>> = Parameters<Stage['run']>[0]
