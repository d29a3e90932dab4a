/** @file The command line: finds the command and runs it. */
import { suggest } from '../workflow/suggest.ts'
import type { CliCommand, CommandGroup } from './command.ts'
import { exitCode } from './exit-code.ts'
import { overallHelp } from './help.ts'
import { invokeCommand, invokeGroup } from './invoke.ts'
import { watchOutput } from './output.ts'
import { findPluginCommand, listPluginCommands } from './plugin-command.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { version } from './version.ts'

/** Each command is loaded only when it is asked for. */
const commands: Readonly<Record<string, () => Promise<CliCommand | CommandGroup>>> = {
  run: async () => (await import('./run.ts')).runCommand,
  watch: async () => (await import('./watch.ts')).watchCommand,
  plan: async () => (await import('./plan.ts')).planCommand,
  explain: async () => (await import('./explain.ts')).explainCommand,
  graph: async () => (await import('./graph.ts')).graphCommand,
  diff: async () => (await import('./diff.ts')).diffCommand,
  logs: async () => (await import('./logs.ts')).logsCommand,
  status: async () => (await import('./status.ts')).statusCommand,
  stages: async () => (await import('./stages.ts')).stagesCommand,
  cache: async () => (await import('./cache.ts')).cacheCommands,
}

/** `argv`: what follows `flow`. Returns the exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  const output = watchOutput()
  const code = await dispatch(argv)
  const isLost = await output.isLost()
  return code === exitCode.done && isLost ? exitCode.failed : code
}

async function dispatch(argv: readonly string[]): Promise<number> {
  const project = process.cwd()
  const [name, ...rest] = argv
  if (name === '--version' || name === 'version') {
    process.stdout.write(`flow ${version()}\n`)
    return exitCode.done
  }
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') {
    if (rest[0] !== undefined && name === 'help') return await main([rest[0], '--help'])
    process.stdout.write(await helpText(project))
    return name === undefined ? exitCode.invalid : exitCode.done
  }
  const own = Object.hasOwn(commands, name) ? await commands[name]?.() : undefined
  const command = own ?? (await findPluginCommand(project, name))
  if (command === undefined) return await refuseUnknown(project, name, argv.includes('--json'))
  return 'subcommands' in command
    ? await invokeGroup(command, rest, project)
    : await invokeCommand(command, rest, project)
}

async function refuseUnknown(project: string, name: string, json: boolean): Promise<number> {
  const known = [
    ...Object.keys(commands),
    ...(await listPluginCommands(project)).map((command) => command.name),
  ]
  const near = suggest(name, [...known, 'help', 'version'])
  const what = name.startsWith('-') ? 'option' : 'command'
  reportDiagnostics(
    [
      {
        code: `unknown-${what}`,
        severity: 'error',
        message: `there is no ${what} \`${name}\``,
        hint: near === undefined ? `commands: ${known.join(', ')}` : `did you mean \`flow ${near}\`?`,
      },
    ],
    { json },
  )
  return exitCode.invalid
}

async function helpText(project: string): Promise<string> {
  const own = await Promise.all(Object.values(commands).map((load) => load()))
  return overallHelp([...own, ...(await listPluginCommands(project))])
}
