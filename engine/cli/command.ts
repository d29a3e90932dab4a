/** @file The contract of a command of `flow`: one file each, loaded only when it is asked for. */

export interface OptionSpec {
  readonly type: 'string' | 'boolean'
  readonly description: string
  /** What stands for the value in the help: "NODE". */
  readonly value?: string
  /** One letter by which it may be given, too: `f` for `-f`. */
  readonly short?: string
  /** May be given several times. @default false */
  readonly multiple?: boolean
  /** May be given without a value, which reads as ''. @default false */
  readonly valueOptional?: boolean
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>

export interface CliCommand {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Names of positional arguments for the help, in brackets where they may be left out: `['WORKFLOW']`. */
  readonly positionals: readonly string[]
  readonly options: OptionSpecs
  /** More help, below the options. */
  readonly details?: string
  /** Returns the exit code. */
  run(invocation: Invocation): Promise<number>
}

/** A command that is a family of commands: `flow cache ls`, `flow cache gc`, ... */
export interface CommandGroup {
  readonly name: string
  readonly summary: string
  /** By their second word; the `name` of each is both words: `cache ls`. */
  readonly subcommands: Readonly<Record<string, () => Promise<CliCommand>>>
}

export interface Invocation {
  /** The project's root: the current folder. Absolute. */
  readonly project: string
  readonly positionals: readonly string[]
  readonly options: OptionValues
}

/** Parsed options; asking for one that the command does not declare is a bug. */
export class OptionValues {
  readonly #values: ReadonlyMap<string, readonly string[]>

  constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** The last value given. */
  text(name: string): string | undefined {
    return this.#values.get(name)?.at(-1)
  }

  texts(name: string): readonly string[] {
    return this.#values.get(name) ?? []
  }
}
