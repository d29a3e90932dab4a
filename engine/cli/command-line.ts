/** @file Parses the arguments of a command and collects everything that is wrong with them. */
import { parseArgs } from 'node:util'
import type { Diagnostic } from '../diagnostic.ts'
import { suggest } from '../workflow/suggest.ts'
import { type OptionSpecs, OptionValues } from './command.ts'

export interface CommandLine {
  readonly options: OptionValues
  readonly positionals: readonly string[]
  readonly diagnostics: readonly Diagnostic[]
}

export interface CommandShape {
  readonly name: string
  readonly positionals: readonly string[]
  readonly options: OptionSpecs
}

/** Options that every command has. */
export const commonOptions: OptionSpecs = {
  help: { type: 'boolean', description: 'Show this help.' },
}

export function parseCommandLine(command: CommandShape, argv: readonly string[]): CommandLine {
  const specs: OptionSpecs = { ...command.options, ...commonOptions }
  const diagnostics: Diagnostic[] = []
  const values = new Map<string, string[]>()
  const positionals: string[] = []
  const fault = (code: string, message: string, hint?: string) =>
    diagnostics.push({ code, severity: 'error', message, ...(hint === undefined ? {} : { hint }) })

  // Not strict: faults are collected below, in our own words, instead of thrown one at a time.
  const { tokens } = parseArgs({
    args: joinOptionalValues(argv, specs),
    options: Object.fromEntries(
      Object.entries(specs).map(([name, { type, short }]) => [
        name,
        { type, ...(short !== undefined && { short }) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  })
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    const name = token.rawName === '-h' ? 'help' : token.name
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined
    if (spec === undefined) {
      const near = suggest(name, Object.keys(specs))
      const hint =
        near === undefined
          ? `\`flow ${command.name} --help\` lists the options`
          : `did you mean \`--${near}\`?`
      fault('unknown-option', `flow ${command.name} has no option ${token.rawName}`, hint)
      continue
    }
    if (spec.type === 'boolean' && token.value !== undefined) {
      fault('option-value', `--${name} takes no value`)
      continue
    }
    if (spec.type === 'string' && token.value === undefined) {
      fault('option-value', `--${name} needs a value`, `--${name} ${spec.value ?? 'VALUE'}`)
      continue
    }
    if (values.has(name) && spec.multiple !== true && values.get(name)?.[0] !== (token.value ?? '')) {
      fault('option-value', `--${name} is given twice with different values`)
    }
    values.set(name, [...(values.get(name) ?? []), token.value ?? ''])
  }
  const surplus = positionals.slice(command.positionals.length)
  // After an unknown option a surplus word is most often its value.
  const mistaken = diagnostics.some(({ code }) => code === 'unknown-option')
  if (!mistaken && !command.positionals.at(-1)?.includes('...') && surplus.length > 0) {
    fault('surplus-argument', `flow ${command.name} does not take \`${surplus.join(' ')}\``)
  }
  return { options: new OptionValues(values), positionals, diagnostics }
}

/**
 * `--refresh` may stand alone or before a node's name. A word that follows it is its value only if it can be one:
 * workflow files have a dot or a slash, names of nodes have neither.
 */
function joinOptionalValues(argv: readonly string[], specs: OptionSpecs): string[] {
  const joined: string[] = []
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] ?? ''
    if (word === '--') return [...joined, ...argv.slice(at)]
    if (!word.startsWith('--') || specs[word.slice(2)]?.valueOptional !== true) {
      joined.push(word)
      continue
    }
    const next = argv[at + 1]
    const isValue = next !== undefined && /^[A-Za-z0-9_][\w-]*$/.test(next)
    joined.push(`${word}=${isValue ? next : ''}`)
    if (isValue) at += 1
  }
  return joined
}
