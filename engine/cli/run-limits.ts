/** @file The options that say what a run may use: `--jobs`, `--slots`, `--device`. */
import type { Diagnostic } from '../diagnostic.ts'
import { defaultJobs } from '../run/capacity.ts'
import { suggestionHint } from '../workflow/suggest.ts'
import type { Workflow } from '../workflow/workflow.ts'
import type { OptionSpecs, OptionValues } from './command.ts'
import { assignments } from './workflow-options.ts'

const devices = ['auto', 'cpu', 'webgpu', 'cuda', 'tensorflow']

export const limitOptions: OptionSpecs = {
  jobs: {
    type: 'string',
    value: 'N',
    description: `How many stages may run side by side (default here: ${defaultJobs}). Never changes a result.`,
  },
  slots: {
    type: 'string',
    value: 'NAME=N',
    multiple: true,
    description: 'How many slots of a name there are, in place of what the workflow says.',
  },
  device: {
    type: 'string',
    value: 'NAME',
    description: `What stages compute on: ${devices.join(', ')} (default: auto).`,
  },
}

interface Faulty {
  readonly faults: readonly Diagnostic[]
}

export function readLimits(
  options: OptionValues,
): { readonly jobs: number; readonly device: string } | Faulty {
  const jobsText = options.text('jobs')
  const jobs = jobsText === undefined ? defaultJobs : Number(jobsText)
  if (!isCount(jobs))
    return { faults: [fault(`--jobs needs a whole number of at least 1, not \`${jobsText}\``)] }
  const device = options.text('device') ?? 'auto'
  if (devices.includes(device)) return { jobs, device }
  return { faults: [fault(`there is no device \`${device}\``, suggestionHint(device, devices))] }
}

/** What the workflow declares, and in its place what `--slots` says. */
export function readSlots(
  options: OptionValues,
  workflow: Workflow,
): { readonly slots: Readonly<Record<string, number>> } | Faulty {
  const { values, diagnostics } = assignments(options, 'slots')
  const faults = [...diagnostics]
  const known = Object.keys(workflow.slots)
  for (const [name, text] of Object.entries(values)) {
    if (!known.includes(name)) {
      const hint =
        known.length === 0 ? 'a workflow declares them: `slots: { api: 4 }`' : suggestionHint(name, known)
      faults.push(fault(`the workflow has no slots \`${name}\``, hint))
    } else if (!isCount(Number(text)))
      faults.push(fault(`--slots ${name} needs a whole number of at least 1, not \`${text}\``))
  }
  if (faults.length > 0) return { faults }
  const given = Object.entries(values).map(([name, text]) => [name, Number(text)] as const)
  return { slots: { ...workflow.slots, ...Object.fromEntries(given) } }
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1
}

function fault(message: string, hint?: string): Diagnostic {
  return { code: 'option-value', severity: 'error', message, ...(hint === undefined ? {} : { hint }) }
}
