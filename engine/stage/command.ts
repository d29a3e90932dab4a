/**
 * @file A command that a plugin adds to `flow`: a folder in `stages/` whose `command.ts` exports
 * `defineCommand({...})` by default. `flow chat` is one, since the engine itself knows nothing of models.
 */

export interface CommandOption {
  readonly type: 'string' | 'boolean'
  readonly description: string
  readonly default?: string | boolean
}

export interface CommandContext {
  /** The project's root folder, absolute. */
  readonly project: string
  readonly options: Readonly<Record<string, string | boolean | undefined>>
  readonly positionals: readonly string[]
  readonly signal: AbortSignal
}

export interface CommandDefinition {
  readonly name: string
  readonly description: string
  readonly options: Readonly<Record<string, CommandOption>>
  /** Returns the exit code. A `StageFailure` is shown as one. */
  run(context: CommandContext): Promise<number>
}

export function defineCommand(definition: CommandDefinition): CommandDefinition {
  return definition
}
