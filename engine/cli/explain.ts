/** @file `flow explain NODE [WORKFLOW]`: why a node runs or is reused, down to the preimage of its key. */
import { resolve } from 'node:path'
import type { Diagnostic } from '../diagnostic.ts'
import type { KeyPreimage } from '../fingerprint/key.ts'
import type { CacheKey, JsonObject, NodeId } from '../identity.ts'
import { type Comparison, explainNode } from '../plan/explain.ts'
import { type PlannedNode, planWorkflow } from '../plan/plan.ts'
import { isNamed } from '../plan/selection.ts'
import { type RunState, readRuns } from '../run/journal.ts'
import { type RunOfKey, runOfKey } from '../run/run-history.ts'
import { Store } from '../store/store.ts'
import { decisionColours, type Paint, painter } from '../terminal/paint.ts'
import { agoText, countText } from '../terminal/quantities.ts'
import type { Workflow } from '../workflow/workflow.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { openWorkflow } from './open-workflow.ts'
import { prepareOpened } from './prepare-opened.ts'
import { reportDiagnostics, wantsColor } from './report-diagnostics.ts'
import { jsonOption, safeOption, valueOptions } from './workflow-options.ts'

/** A comparison, and where the earlier result came from as far as its run is still known. */
type DatedComparison = Comparison & { readonly run?: RunOfKey }

interface Explanation {
  readonly workflow: string
  readonly file: string
  readonly node: NodeId
  readonly stage: string
  readonly decision: PlannedNode['decision']
  readonly reason: string
  readonly until?: readonly NodeId[]
  readonly key?: CacheKey
  readonly preimage?: KeyPreimage
  readonly unknownInputs: readonly string[]
  readonly latest?: DatedComparison
  readonly nearest?: DatedComparison
}

export const explainCommand: CliCommand = {
  name: 'explain',
  summary: 'Show why a node would run or be reused, and what its cache key is made of.',
  positionals: ['NODE', '[WORKFLOW]'],
  options: { ...valueOptions, ...safeOption, ...jsonOption },
  details: `Without WORKFLOW: the one that ran last here. The key is compared with the node's own latest run, and with the
result in the store that differs in the fewest things, whichever node or workflow made it.
--json prints the whole preimage of the key, and of those that it is compared with.`,

  async run(invocation) {
    const { project, options, positionals } = invocation
    const json = options.has('json')
    const flowFolder = resolve(project, '.flow')
    const runs = readRuns(flowFolder)
    const [name, file = runs[0]?.file] = positionals
    if (name === undefined) {
      const message = 'which node? `flow explain NODE [WORKFLOW]`'
      reportDiagnostics([{ code: 'no-node', severity: 'error', message }], { json })
      return exitCode.invalid
    }
    const opened = await openWorkflow(invocation, file)
    if (opened === undefined) return exitCode.invalid
    const { workflow } = opened
    const several = severalNodes(workflow, name)
    if (several !== undefined) {
      reportDiagnostics([several], { json })
      return exitCode.invalid
    }
    const store = await Store.open(flowFolder)
    try {
      const wanted = { selection: { until: name }, refresh: 'none', checkDestinations: false } as const
      const ready = await prepareOpened(invocation, opened, store, wanted)
      if (ready === undefined) return exitCode.invalid
      const { nodes } = await planWorkflow(ready.request, ready.prepared)
      const planned = nodes.find((candidate) => candidate.node === name)
      const node = workflow.nodes.get(name as NodeId)
      if (planned === undefined || node === undefined) throw new Error(`the plan lacks ${name}`)
      const known = nodes.flatMap(({ node, outputs }) =>
        outputs === undefined ? [] : [[node, outputs] as const],
      )
      const { latest, nearest, unknownInputs } = await explainNode(
        ready.request,
        node,
        planned,
        new Map(known),
      )
      const { outputs: _, ...decision } = planned
      const explanation: Explanation = {
        workflow: workflow.name,
        file: workflow.file,
        ...decision,
        unknownInputs,
        ...(latest === undefined ? {} : { latest: dated(latest, runs) }),
        ...(nearest === undefined ? {} : { nearest: dated(nearest, runs) }),
      }
      const text = json ? documentText(explanation) : explanationText(explanation)
      process.stdout.write(text)
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

function dated(comparison: Comparison, runs: readonly RunState[]): DatedComparison {
  const run = runOfKey(runs, comparison.key)
  return run === undefined ? comparison : { ...comparison, run }
}

/** A name may stand for all that was expanded from it; one key belongs to one node. */
function severalNodes(workflow: Workflow, name: string): Diagnostic | undefined {
  if (workflow.nodes.has(name as NodeId)) return undefined
  const named = [...workflow.nodes.values()].filter((node) => isNamed(node, name)).map(({ id }) => id)
  if (named.length === 0) return undefined
  const shown = named.slice(0, 8).join(', ')
  return {
    code: 'several-nodes',
    severity: 'error',
    message: `\`${name}\` stands for ${countText(named.length, 'node')}`,
    hint: `one of them: ${shown}${named.length > 8 ? ', ...' : ''}`,
  }
}

/** `changes` and `previous` are those of `latest`. */
function documentText(explanation: Explanation): string {
  const { latest, preimage } = explanation
  const changes =
    latest === undefined || preimage === undefined ? undefined : latest.differences.map(({ text }) => text)
  return `${JSON.stringify({ ...explanation, changes, previous: latest?.preimage }, null, 2)}\n`
}

function explanationText(explanation: Explanation): string {
  const { node, stage, decision, reason, key, preimage, unknownInputs } = explanation
  const paint = painter(wantsColor(process.stdout))
  const word = paint(decisionColours[decision], decision)
  const lines = [`${paint('bold', node)} (${stage}): ${word}, ${reason}`]
  if (key !== undefined) lines.push(paint('dim', `key ${key}`))
  lines.push('', ...comparisonLines(explanation, paint))
  if (unknownInputs.length > 0) {
    lines.push('', `not known yet: ${unknownInputs.map((input) => `input ${input}`).join(', ')}`)
  }
  if (preimage !== undefined) {
    lines.push('', 'the key is made of', ...preimageLines(preimage).map((line) => `  ${line}`))
  }
  return `${lines.join('\n')}\n`
}

function comparisonLines(
  { decision, key, latest, nearest, unknownInputs }: Explanation,
  paint: Paint,
): string[] {
  const listed = ({ differences }: Comparison) => differences.map(({ text }) => `  ${text}`)
  const lines: string[] = []
  if (nearest !== undefined && nearest.key === key) lines.push(`made by ${originText(nearest, paint)}`)
  else if (nearest !== undefined && nearest.key !== latest?.key) {
    lines.push(
      `${countText(nearest.differences.length, 'difference')} to the nearest earlier result: ${originText(nearest, paint)}`,
      ...listed(nearest),
      '',
    )
  }
  if (latest === undefined)
    lines.push(decision === 'skip' ? 'its condition is false' : 'no previous run of its own')
  else if (latest.differences.length > 0) {
    lines.push(`since its previous run: ${originText(latest, paint)}`, ...listed(latest))
  } else if (unknownInputs.length > 0) {
    lines.push('nothing else changed since its previous run')
  } else lines.push('nothing changed since its previous run')
  return lines
}

/** "sft in workflows/a.yaml, run 20260131-174502-123-9f3a, 2026-01-31 17:45 UTC, 3m ago" */
function originText({ at, run }: DatedComparison, paint: Paint): string {
  const when = `${at.slice(0, 16).replace('T', ' ')} UTC, ${agoText(Date.now() - Date.parse(at))}`
  const place = run === undefined ? [] : [`${run.node} in ${run.file}`, `run ${run.runId}`]
  return paint('dim', [...place, when].join(', '))
}

function preimageLines({
  stage,
  code,
  params,
  inputs,
  outputs,
  environment,
  sources,
  packages,
}: KeyPreimage): string[] {
  const lines = [`stage ${stage}`, `code ${code}`]
  for (const [path, hash] of Object.entries(sources ?? {})) lines.push(`  ${path} ${hash.slice(0, 12)}`)
  for (const name of packages ?? []) lines.push(`  package ${name}`)
  lines.push(...leaves('params', params), ...leaves('inputs', inputs), ...leaves('outputs', outputs))
  return [...lines, ...leaves('environment', environment)]
}

function leaves(path: string, value: JsonObject): string[] {
  return Object.entries(value).flatMap(([name, member]) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? leaves(`${path}.${name}`, member as JsonObject)
      : [`${path}.${name} ${JSON.stringify(member)}`],
  )
}
