/** @file `flow plan WORKFLOW` */
import { resolve } from 'node:path'
import { type Plan, planWorkflow } from '../plan/plan.ts'
import { Store } from '../store/store.ts'
import { decisionColours, painter } from '../terminal/paint.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { openWorkflow } from './open-workflow.ts'
import { prepareOpened } from './prepare-opened.ts'
import { reportDiagnostics, wantsColor } from './report-diagnostics.ts'
import { sharedCacheOptions, sharedResults } from './shared-cache-options.ts'
import { tableText, terminalWidth } from './table.ts'
import {
  jsonOption,
  refreshOf,
  safeOption,
  selectionOf,
  selectionOptions,
  valueOptions,
} from './workflow-options.ts'

export const planCommand: CliCommand = {
  name: 'plan',
  summary: 'Show what `flow run` would do, node by node, and why.',
  positionals: ['WORKFLOW'],
  options: { ...valueOptions, ...selectionOptions, ...sharedCacheOptions, ...safeOption, ...jsonOption },
  details: `Decisions: \`run\`, \`reuse\`, \`skip\` where its condition is false, or \`unknown\` where it depends on what a node
before it will write.
--json prints one document: {"workflow","file","nodes":[{"node","stage","decision","reason","until"?,"key"?}]}.`,

  async run(invocation) {
    const { project, options, positionals } = invocation
    const opened = await openWorkflow(invocation, positionals[0])
    if (opened === undefined) return exitCode.invalid
    const shared = await sharedResults(invocation, 'look')
    const store = await Store.open(resolve(project, '.flow'), { shared })
    shared?.onWarning((message) =>
      reportDiagnostics([{ code: 'shared-cache', severity: 'warning', message }], { json: false }),
    )
    try {
      const wanted = { selection: selectionOf(options), refresh: refreshOf(options) }
      const ready = await prepareOpened(invocation, opened, store, wanted)
      if (ready === undefined) return exitCode.invalid
      const plan = await planWorkflow(ready.request, ready.prepared)
      process.stdout.write(options.has('json') ? `${documentText(plan)}\n` : planText(plan))
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

function documentText({ nodes, ...plan }: Plan): string {
  const shown = nodes.map(({ node, stage, decision, reason, until, key }) => ({
    node,
    stage,
    decision,
    reason,
    until,
    key,
  }))
  return JSON.stringify({ ...plan, nodes: shown }, null, 2)
}

function planText(plan: Plan): string {
  const rows = plan.nodes.map(({ node, stage, decision, reason }) => [node, stage, decision, reason])
  const counts = (['run', 'reuse', 'unknown', 'skip'] as const)
    .map((decision) => [plan.nodes.filter((node) => node.decision === decision).length, decision] as const)
    .filter(([count]) => count > 0)
    .map(([count, decision]) => `${count} ${decision}`)
  const paint = painter(wantsColor(process.stdout))
  const table = tableText(['node', 'stage', 'decision', 'reason'], rows, {
    ...terminalWidth(process.stdout),
    paint: (text, row, column) => {
      const decision = plan.nodes[row]?.decision
      if (decision === undefined || decision === 'reuse' || decision === 'skip') return paint('dim', text)
      return column === 2 ? paint(decisionColours[decision], text) : text
    },
  })
  return `${table}\n${plan.workflow}: ${counts.join(', ')}\n`
}
