/** @file `flow diff [RUN] [RUN]`: what two runs did differently, and why. */
import { resolve } from 'node:path'
import { type ComparedNode, type ComparedNumber, compareRuns, type Pair } from '../run/compare-runs.ts'
import { type RunState, readRuns } from '../run/journal.ts'
import { findRun } from '../run/run-history.ts'
import { Store } from '../store/store.ts'
import { type Paint, painter } from '../terminal/paint.ts'
import { countText, durationText, numberText } from '../terminal/quantities.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { reportDiagnostics, wantsColor } from './report-diagnostics.ts'
import { tableText, terminalWidth } from './table.ts'
import { jsonOption } from './workflow-options.ts'

export const diffCommand: CliCommand = {
  name: 'diff',
  summary: 'Compare two runs: nodes, keys, outputs and figures.',
  positionals: ['[RUN]', '[RUN]'],
  options: jsonOption,
  details: `RUN is a run's id, the beginning of one, \`latest\`, or \`latest~1\` for the one before it of the same workflow.
Without RUN the latest run is compared with the one before it, with one RUN the latest with that.
--json prints one document: {"before","after","nodes":[{"node","change","state","key","differences"?,"outputs","numbers",...}]}.`,

  async run({ project, options, positionals }) {
    const json = options.has('json')
    const flowFolder = resolve(project, '.flow')
    const runs = readRuns(flowFolder)
    const [first = 'latest~1', second = 'latest'] = positionals
    const [before, after] = [findRun(runs, first), findRun(runs, second)]
    if ('fault' in before || 'fault' in after) {
      const faults = [before, after].flatMap((found) => ('fault' in found ? [found.fault] : []))
      reportDiagnostics(runs.length === 0 ? faults.slice(0, 1) : faults, { json })
      return exitCode.invalid
    }
    const store = await Store.open(flowFolder)
    try {
      const nodes = await compareRuns(store, before.run, after.run)
      const pair = { before: before.run, after: after.run }
      process.stdout.write(json ? documentText(pair, nodes) : comparisonText(pair, nodes))
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

interface RunPair {
  readonly before: RunState
  readonly after: RunState
}

function documentText({ before, after }: RunPair, nodes: readonly ComparedNode[]): string {
  const head = ({ nodes: _, schema: __, pid: ___, ...run }: RunState) => run
  return `${JSON.stringify({ before: head(before), after: head(after), nodes }, null, 2)}\n`
}

function comparisonText(runs: RunPair, nodes: readonly ComparedNode[]): string {
  const paint = painter(wantsColor(process.stdout))
  const sections = [
    runsText(runs, paint),
    nodesText(nodes, paint),
    outputsText(nodes),
    numbersText(nodes, paint),
  ]
  return sections.filter((section) => section !== '').join('\n')
}

function runsText({ before, after }: RunPair, paint: Paint): string {
  const row = (name: string, run: RunState) => [
    name,
    run.runId,
    stateOf(run),
    run.durationMs === undefined ? '' : durationText(run.durationMs),
    `${run.startedAt.slice(0, 16).replace('T', ' ')} UTC`,
    ...(before.file === after.file ? [] : [run.file]),
  ]
  const [first, second] = [row('before', before), row('after', after)]
  const rows = tableText(first, [second], terminalWidth(process.stdout))
  return before.file === after.file ? `${paint('bold', before.file)}\n${rows}` : rows
}

function stateOf({ finishedAt, interrupted, ok }: RunState): string {
  if (finishedAt === undefined) return 'not finished'
  if (interrupted === true) return 'interrupted'
  return ok === true ? 'ok' : 'failed'
}

const changeColours = { added: 'green', removed: 'red', changed: 'yellow', same: 'dim' } as const

function nodesText(nodes: readonly ComparedNode[], paint: Paint): string {
  const shown = nodes.filter(({ change }) => change !== 'same')
  const same = nodes.length - shown.length
  const rest = same === 0 ? '' : `${shown.length === 0 ? '' : '\n'}${countText(same, 'node')} the same\n`
  if (shown.length === 0) return rest
  const rows = shown.map((node) => [
    node.renamedFrom === undefined ? node.node : `${node.renamedFrom} -> ${node.node}`,
    node.change,
    arrowText(node.state, (state) => state),
    durationsText(node),
    reasonText(node),
  ])
  const table = tableText(['node', '', 'state', 'duration', 'why'], rows, {
    ...terminalWidth(process.stdout),
    paint: (text, row, column) => {
      const node = shown[row]
      if (node === undefined) return paint('dim', text)
      return column === 1 ? paint(changeColours[node.change], text) : text
    },
  })
  return table + rest
}

function arrowText<Value>({ before, after }: Pair<Value>, text: (value: Value) => string): string {
  const [old, now] = [before, after].map((value) => (value === undefined ? undefined : text(value)))
  if (old === undefined || now === undefined || old === now) return now ?? old ?? ''
  return `${old} -> ${now}`
}

/** Of a node that was reused there is no duration worth telling. */
function durationsText({ state, durationMs }: ComparedNode): string {
  const [before, after] = (['before', 'after'] as const).map((side) =>
    state[side] === 'reused' ? undefined : durationMs[side],
  )
  return arrowText(
    { ...(before === undefined ? {} : { before }), ...(after === undefined ? {} : { after }) },
    durationText,
  )
}

function reasonText({ change, key, failure, differences, outputs }: ComparedNode): string {
  if (failure.after !== undefined) return failure.after.message
  const [first, ...others] = differences ?? []
  if (first !== undefined)
    return others.length === 0 ? first.text : `${first.text} (and ${others.length} more)`
  if (change !== 'changed' || key.before === undefined || key.after === undefined) return ''
  if (key.before !== key.after) return 'another key; what it was made of is not known any more'
  return outputs.length === 0 ? 'the same key' : 'the same key, other outputs'
}

function outputsText(nodes: readonly ComparedNode[]): string {
  const rows = nodes.flatMap(({ node, outputs }) =>
    outputs.map(({ port, before, after, content }) => [
      `  ${node}.${port}`,
      content?.text ??
        (before === undefined ? 'only after' : after === undefined ? 'only before' : 'differs'),
    ]),
  )
  return rows.length === 0 ? '' : tableText(['outputs that differ', ''], rows, terminalWidth(process.stdout))
}

/** Figures of an output side by side, where at least one of them moved. */
function numbersText(nodes: readonly ComparedNode[], paint: Paint): string {
  const rows = nodes.flatMap(({ node, numbers }) =>
    Object.entries(numbers)
      .filter(([, figures]) => figures.some(({ difference }) => difference !== 0))
      .flatMap(([port, figures]) =>
        figures.map((figure) => numberRow(`  ${node}.${port} ${figure.name}`, figure)),
      ),
  )
  if (rows.length === 0) return ''
  return tableText(['figures', 'before', 'after', 'difference'], rows, {
    ...terminalWidth(process.stdout),
    paint: (text, row, column) => (row < 0 || (column === 3 && text === '0') ? paint('dim', text) : text),
  })
}

function numberRow(name: string, { before, after, difference }: ComparedNumber): string[] {
  const text = (value: number | undefined) => (value === undefined ? '-' : numberText(value))
  const sign = difference !== undefined && difference > 0 ? '+' : ''
  return [name, text(before), text(after), difference === undefined ? '' : `${sign}${numberText(difference)}`]
}
