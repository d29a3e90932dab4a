/** @file Commands that plugins add to `flow`: `stages/<name>/command.ts`. */
import type { Diagnostic } from '../diagnostic.ts'
import type { CommandDefinition } from '../stage/command.ts'
import { compileAll, importModule } from '../stage/compile.ts'
import { discoverPlugins } from '../stage/discover.ts'
import { isStageFailure } from '../stage/failure.ts'
import type { CliCommand, OptionSpec } from './command.ts'
import { exitCode } from './exit-code.ts'
import { interruption } from './interruption.ts'
import { reportDiagnostics } from './report-diagnostics.ts'

export async function findPluginCommand(project: string, name: string): Promise<CliCommand | undefined> {
  return (await listPluginCommands(project)).find((command) => command.name === name)
}

/** Those that do not compile or are no commands are told on stderr, and left out. */
export async function listPluginCommands(project: string): Promise<CliCommand[]> {
  const files = discoverPlugins(project).commands
  const results = await compileAll(files)
  const commands: CliCommand[] = []
  const diagnostics: Diagnostic[] = []
  for (const [index, file] of files.entries()) {
    const result = results[index]
    if (result?.module === undefined) {
      diagnostics.push(...(result?.diagnostics ?? []))
      continue
    }
    const definition = (await importModule(result.module)).default
    if (isCommand(definition)) commands.push(asCliCommand(definition))
    else {
      const message = 'the file does not export a command by default'
      const hint = 'export default defineCommand({ ... })'
      diagnostics.push({ code: 'invalid-command', severity: 'error', message, hint, file: file.file })
    }
  }
  if (diagnostics.length > 0) reportDiagnostics(diagnostics, { json: false })
  return commands
}

function isCommand(value: unknown): value is CommandDefinition {
  return (
    typeof value === 'object' && value !== null && 'run' in value && 'name' in value && 'options' in value
  )
}

function asCliCommand(definition: CommandDefinition): CliCommand {
  const options = Object.fromEntries(
    Object.entries(definition.options).map(([name, option]): [string, OptionSpec] => {
      const fallback = option.default === undefined ? '' : ` (default: ${option.default})`
      return [name, { type: option.type, description: `${option.description}${fallback}` }]
    }),
  )
  return {
    name: definition.name,
    summary: definition.description,
    positionals: ['[ARGUMENT...]'],
    options,
    async run({ project, options: given, positionals }) {
      const values = Object.fromEntries(
        Object.entries(definition.options).map(([name, { type, default: fallback }]) => {
          if (!given.has(name)) return [name, fallback]
          return [name, type === 'boolean' ? true : given.text(name)]
        }),
      )
      const interrupt = interruption()
      try {
        return await definition.run({ project, options: values, positionals, signal: interrupt.signal })
      } catch (error) {
        if (interrupt.signal.aborted) return exitCode.interrupted
        if (!isStageFailure(error)) throw error
        const { code, message, hint, file } = error.details
        const place = file === undefined ? {} : { file }
        reportDiagnostics(
          [{ code, severity: 'error', message, ...(hint === undefined ? {} : { hint }), ...place }],
          { json: false },
        )
        return exitCode.failed
      } finally {
        interrupt.close()
      }
    },
  }
}
