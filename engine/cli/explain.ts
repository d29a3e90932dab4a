/** @file `flow explain NODE [WORKFLOW]`: why a node runs or is reused, down to the preimage of its key. */
import { resolve } from 'node:path'
import { explainDifference } from '../fingerprint/explain-difference.ts'
import type { KeyPreimage } from '../fingerprint/key.ts'
import type { CacheKey, JsonObject, NodeId } from '../identity.ts'
import { type PlannedNode, planWorkflow } from '../plan/plan.ts'
import { readRuns } from '../run/journal.ts'
import { Store } from '../store/store.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { openWorkflow } from './open-workflow.ts'
import { prepareOpened } from './prepare-opened.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { jsonOption, valueOptions } from './workflow-options.ts'

interface Explanation {
  readonly workflow: string
  readonly file: string
  readonly node: NodeId
  readonly stage: string
  readonly decision: PlannedNode['decision']
  readonly reason: string
  readonly key?: CacheKey
  /** Against the node's previous run; absent where there was none or the key is not known yet. */
  readonly changes?: readonly string[]
  readonly preimage?: KeyPreimage
  /** Of the node's previous run. */
  readonly previous?: KeyPreimage
}

export const explainCommand: CliCommand = {
  name: 'explain',
  summary: 'Show why a node would run or be reused, and what its cache key is made of.',
  positionals: ['NODE', '[WORKFLOW]'],
  options: { ...valueOptions, ...jsonOption },
  details: 'Without WORKFLOW: the one that ran last here. --json also prints the whole preimage of the key.',

  async run(invocation) {
    const { project, options, positionals } = invocation
    const json = options.has('json')
    const flowFolder = resolve(project, '.flow')
    const [name, file = readRuns(flowFolder)[0]?.file] = positionals
    if (name === undefined) {
      const message = 'which node? `flow explain NODE [WORKFLOW]`'
      reportDiagnostics([{ code: 'no-node', severity: 'error', message }], { json })
      return exitCode.invalid
    }
    const opened = await openWorkflow(invocation, file)
    if (opened === undefined) return exitCode.invalid
    const { workflow } = opened
    const store = await Store.open(flowFolder)
    try {
      const wanted = { selection: { until: name }, refresh: 'none', checkDestinations: false } as const
      const ready = await prepareOpened(invocation, opened, store, wanted)
      if (ready === undefined) return exitCode.invalid
      const { nodes } = await planWorkflow(ready.request, ready.prepared)
      const planned = nodes.find((candidate) => candidate.node === name)
      const node = workflow.nodes.get(name as NodeId)
      if (planned === undefined || node === undefined) throw new Error(`the plan lacks ${name}`)
      const previous = (await store.lastRun(workflow.file, node.id))?.preimage
      const { preimage, outputs: _, ...decision } = planned
      const explanation: Explanation = {
        workflow: workflow.name,
        file: workflow.file,
        ...decision,
        ...(preimage === undefined ? {} : { preimage }),
        ...(preimage === undefined || previous === undefined
          ? {}
          : { changes: explainDifference(previous, preimage) }),
        ...(previous === undefined ? {} : { previous }),
      }
      process.stdout.write(json ? `${JSON.stringify(explanation, null, 2)}\n` : explanationText(explanation))
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

function explanationText({
  node,
  stage,
  decision,
  reason,
  key,
  changes,
  preimage,
  previous,
}: Explanation): string {
  const lines = [`${node} (${stage}): ${decision}, ${reason}`]
  if (key !== undefined) lines.push(`key ${key}`)
  lines.push('')
  if (changes !== undefined && changes.length > 0) {
    lines.push('since its previous run', ...changes.map((change) => `  ${change}`))
  } else if (changes !== undefined) lines.push('nothing changed since its previous run')
  else if (previous === undefined) lines.push('no previous run to compare with')
  if (preimage !== undefined) {
    lines.push('', 'the key is made of', ...preimageLines(preimage).map((line) => `  ${line}`))
  }
  return `${lines.join('\n')}\n`
}

function preimageLines({
  stage,
  code,
  params,
  inputs,
  outputs,
  environment,
  sources,
}: KeyPreimage): string[] {
  const lines = [`stage ${stage}`, `code ${code}`]
  for (const [path, hash] of Object.entries(sources ?? {})) lines.push(`  ${path} ${hash.slice(0, 12)}`)
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
