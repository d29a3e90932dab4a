/** @file The text of `flow --help` and `flow COMMAND --help`. */
import type { CliCommand, OptionSpecs } from './command.ts'
import { commonOptions } from './command-line.ts'

type HelpSubject = Pick<CliCommand, 'name' | 'summary' | 'positionals' | 'options' | 'details'>

export function commandHelp(command: HelpSubject): string {
  const usage = ['flow', command.name, ...command.positionals, '[options]'].join(' ')
  const parts = [`${usage}\n\n${command.summary}`, optionsText({ ...command.options, ...commonOptions })]
  if (command.details !== undefined) parts.push(command.details)
  return `${parts.join('\n\n')}\n`
}

interface Summarised {
  readonly name: string
  readonly summary: string
}

export function groupHelp(group: Summarised, subcommands: readonly Summarised[]): string {
  const { name, summary } = group
  return `flow ${name} COMMAND [options]\n\n${summary}\n\n${summaryLines(subcommands)}\n
\`flow ${name} COMMAND --help\` shows the options of a command.\n`
}

export function overallHelp(commands: readonly Summarised[]): string {
  return `flow COMMAND [options]

Runs declarative workflows; everything that is already done is reused.

${summaryLines(commands)}

\`flow COMMAND --help\` shows the options of a command.
Exit codes: 0 done, 1 a node failed, 2 the workflow or the command line is wrong (nothing ran), 130 interrupted.
`
}

function summaryLines(commands: readonly Summarised[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  return commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')
}

function optionsText(options: OptionSpecs): string {
  const rows = Object.entries(options).map(([name, { type, short, value, description }]) => ({
    option: `${short === undefined ? '' : `-${short}, `}--${name}${type === 'string' ? ` ${value ?? 'VALUE'}` : ''}`,
    description,
  }))
  const width = Math.max(...rows.map(({ option }) => option.length))
  return rows.map(({ option, description }) => `  ${option.padEnd(width)}  ${description}`).join('\n')
}
