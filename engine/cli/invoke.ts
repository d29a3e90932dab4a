/** @file Runs a command that was found: its arguments parsed, its expected failures shown. */
import { isStageFailure } from '../stage/failure.ts'
import { machineFailure } from '../stage/machine-failure.ts'
import { suggest } from '../workflow/suggest.ts'
import type { CliCommand, CommandGroup } from './command.ts'
import { parseCommandLine } from './command-line.ts'
import { exitCode } from './exit-code.ts'
import { commandHelp, groupHelp } from './help.ts'
import { reportDiagnostics } from './report-diagnostics.ts'

/** `argv`: what follows the command's name. Returns the exit code. */
export async function invokeCommand(
  command: CliCommand,
  argv: readonly string[],
  project: string,
): Promise<number> {
  if (asksForHelp(argv)) {
    process.stdout.write(commandHelp(command))
    return exitCode.done
  }
  const json = argv.includes('--json')
  const { options, positionals, diagnostics } = parseCommandLine(command, argv)
  if (diagnostics.length > 0) {
    reportDiagnostics(diagnostics, { json })
    return exitCode.invalid
  }
  try {
    return await command.run({ project, options, positionals })
  } catch (error) {
    const refused = machineFailure(error)
    const details = isStageFailure(error) ? error.details : refused
    if (details === undefined) throw error
    const { code, message, hint } = details
    reportDiagnostics([{ code, severity: 'error', message, ...(hint === undefined ? {} : { hint }) }], {
      json,
    })
    // Otherwise nothing has run yet: a store of another version, a file that is none of Flow's.
    return refused === undefined ? exitCode.invalid : exitCode.failed
  }
}

export async function invokeGroup(
  group: CommandGroup,
  argv: readonly string[],
  project: string,
): Promise<number> {
  const { name: groupName, subcommands } = group
  const [name, ...rest] = argv
  const load = name !== undefined && Object.hasOwn(subcommands, name) ? subcommands[name] : undefined
  if (load !== undefined) return await invokeCommand(await load(), rest, project)
  if (name === undefined || asksForHelp(argv)) {
    const all = await Promise.all(Object.values(subcommands).map((loadEach) => loadEach()))
    process.stdout.write(groupHelp(group, all))
    return name === undefined ? exitCode.invalid : exitCode.done
  }
  const known = Object.keys(subcommands)
  const near = suggest(name, known)
  const message = `there is no command \`flow ${groupName} ${name}\``
  const hint =
    near === undefined ? `commands: ${known.join(', ')}` : `did you mean \`flow ${groupName} ${near}\`?`
  reportDiagnostics([{ code: 'unknown-command', severity: 'error', message, hint }], {
    json: argv.includes('--json'),
  })
  return exitCode.invalid
}

function asksForHelp(argv: readonly string[]): boolean {
  return argv.includes('--help') || argv.includes('-h')
}
