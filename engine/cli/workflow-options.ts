/** @file The options that say which workflow, with which values, and which of its nodes. */
import { delimiter } from 'node:path'
import type { Diagnostic } from '../diagnostic.ts'
import type { Refresh } from '../plan/decide.ts'
import type { Selection } from '../plan/selection.ts'
import type { OptionSpecs, OptionValues } from './command.ts'

export const valueOptions: OptionSpecs = {
  param: {
    type: 'string',
    value: 'NAME=VALUE',
    multiple: true,
    description: 'Set a parameter of the workflow.',
  },
  set: {
    type: 'string',
    value: 'PATH=VALUE',
    multiple: true,
    description: 'Set a parameter of a node: nodes.sft.with.epochs=1.',
  },
  allow: {
    type: 'string',
    value: 'FOLDER',
    multiple: true,
    description: 'Let the workflow use files in a folder outside of the project.',
  },
}

export const selectionOptions: OptionSpecs = {
  only: {
    type: 'string',
    value: 'NODE',
    description: 'Just this node; what it reads must be in the store.',
  },
  from: {
    type: 'string',
    value: 'NODE',
    description: 'This node and all that depend on it; what they read of others must be in the store.',
  },
  until: {
    type: 'string',
    value: 'NODE',
    description: 'This node and all that it depends on. With --from: the nodes between the two.',
  },
  refresh: {
    type: 'string',
    value: '[NODE]',
    valueOptional: true,
    description: 'Run this node, or all selected ones, although their results are in the store.',
  },
}

export const safeOption: OptionSpecs = {
  safe: {
    type: 'boolean',
    description: 'Run no code of the project, for a workflow of somebody else: its own stages stay unknown.',
  },
}

export const jsonOption: OptionSpecs = {
  json: { type: 'boolean', description: 'Print JSON instead of text.' },
}

export function selectionOf(options: OptionValues): Selection {
  const only = options.text('only')
  const from = options.text('from')
  const until = options.text('until')
  return {
    ...(only === undefined ? {} : { only }),
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
  }
}

export function refreshOf(options: OptionValues): Refresh {
  const node = options.text('refresh')
  if (node === undefined) return 'none'
  return node === '' ? 'all' : { node }
}

const examples = { param: '--param epochs=2', set: '--set nodes.sft.with.epochs=2', slots: '--slots api=4' }

/** Folders outside of the project that the workflow may use: `--allow`, and `FLOW_ALLOW`, parted like PATH. */
export function allowedFolders(options: OptionValues): readonly string[] {
  const always = process.env.FLOW_ALLOW?.split(delimiter).filter((folder) => folder !== '') ?? []
  return [...always, ...options.texts('allow')]
}

/** `NAME=VALUE` texts of an option as a record; the last of equal names wins. */
export function assignments(
  options: OptionValues,
  name: 'param' | 'set' | 'slots',
): { readonly values: Readonly<Record<string, string>>; readonly diagnostics: readonly Diagnostic[] } {
  const values: Record<string, string> = {}
  const diagnostics: Diagnostic[] = []
  for (const text of options.texts(name)) {
    const equals = text.indexOf('=')
    if (equals > 0) {
      values[text.slice(0, equals)] = text.slice(equals + 1)
      continue
    }
    diagnostics.push({
      code: 'option-value',
      severity: 'error',
      message: `--${name} needs a name and a value, not \`${text}\``,
      hint: examples[name],
    })
  }
  return { values, diagnostics }
}
