/** @file `flow graph WORKFLOW`: its nodes and what flows between them, in the terminal or as a picture. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type FlowGraph, graphOf } from '../graph/flow-graph.ts'
import { type Plan, planWorkflow } from '../plan/plan.ts'
import { Store } from '../store/store.ts'
import { painter } from '../terminal/paint.ts'
import { countText } from '../terminal/quantities.ts'
import { suggestionHint } from '../workflow/suggest.ts'
import type { CliCommand, Invocation } from './command.ts'
import { exitCode } from './exit-code.ts'
import { type OpenWorkflow, openWorkflow } from './open-workflow.ts'
import { prepareOpened } from './prepare-opened.ts'
import { reportDiagnostics, wantsColor } from './report-diagnostics.ts'
import { terminalWidth } from './table.ts'
import { safeOption, selectionOf, selectionOptions, valueOptions } from './workflow-options.ts'

const { refresh: _, ...narrowing } = selectionOptions

/** Of what is not a terminal. */
const USUAL_WIDTH = 100
/** More boxes than these nobody looks at, and their lines take long to lay out. */
const MAX_BOXES = 300
const MAX_SVG_NODES = 2000

const formats: Readonly<Record<string, (graph: FlowGraph) => Promise<string>>> = {
  text: drawing,
  dot: async (graph) => (await import('../graph/dot.ts')).dotText(graph),
  mermaid: async (graph) => (await import('../graph/mermaid.ts')).mermaidText(graph),
  svg: async (graph) => (await import('../graph/svg.ts')).svgText(graph),
  json: async (graph) => `${JSON.stringify(graph, null, 2)}\n`,
}

export const graphCommand: CliCommand = {
  name: 'graph',
  summary: 'Draw a workflow: its nodes, and what flows between them.',
  positionals: ['WORKFLOW'],
  options: {
    format: {
      type: 'string',
      value: 'FORMAT',
      description: `${Object.keys(formats).join(', ')} (default: text, or what the name of FILE says).`,
    },
    output: { type: 'string', short: 'o', value: 'FILE', description: 'Write it to a file instead.' },
    plan: { type: 'boolean', description: 'Colour each node by what a run would do with it.' },
    ...valueOptions,
    ...narrowing,
    ...safeOption,
    json: { type: 'boolean', description: 'The same as --format json.' },
  },
  details: `In the terminal, nodes are boxes; where they find no room, an indented list. What was expanded from one node, or
belongs to one sub-workflow, is framed in dot, mermaid and svg. --only, --from and --until draw the part that --plan decides on.`,

  async run(invocation) {
    const { project, options, positionals } = invocation
    const json = options.has('json')
    const output = options.text('output')
    const format = json ? 'json' : (options.text('format') ?? formatOf(output))
    const draw = Object.hasOwn(formats, format) ? formats[format] : undefined
    if (draw === undefined) {
      const hint = suggestionHint(format, Object.keys(formats))
      const message = `there is no format \`${format}\``
      const fault = { code: 'option-value', severity: 'error' as const, message }
      reportDiagnostics([hint === undefined ? fault : { ...fault, hint }], { json })
      return exitCode.invalid
    }
    const opened = await openWorkflow(invocation, positionals[0])
    if (opened === undefined) return exitCode.invalid
    const narrowed = ['plan', 'only', 'from', 'until'].some((name) => options.has(name))
    const plan = narrowed ? await planOf(invocation, opened) : undefined
    if (narrowed && plan === undefined) return exitCode.invalid
    const graph = graphOf(opened.workflow, plan)
    if (format === 'svg' && graph.nodes.length > MAX_SVG_NODES) {
      const message = `${countText(graph.nodes.length, 'node')} are too many for a picture`
      const hint = 'draw a part of them (--from, --until), or take --format dot'
      reportDiagnostics([{ code: 'too-large', severity: 'error', message, hint }], { json })
      return exitCode.invalid
    }
    const shown = options.has('plan') ? graph : withoutPlan(graph)
    const text = await draw(shown)
    if (output === undefined) process.stdout.write(text)
    else {
      const path = resolve(project, output)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, text)
      process.stderr.write(`${output}: ${countText(graph.nodes.length, 'node')}\n`)
    }
    return exitCode.done
  },
}

async function planOf(invocation: Invocation, opened: OpenWorkflow): Promise<Plan | undefined> {
  const store = await Store.open(resolve(invocation.project, '.flow'))
  try {
    const wanted = {
      selection: selectionOf(invocation.options),
      refresh: 'none',
      checkDestinations: false,
    } as const
    const ready = await prepareOpened(invocation, opened, store, wanted)
    return ready === undefined ? undefined : await planWorkflow(ready.request, ready.prepared)
  } finally {
    await store.close()
  }
}

function withoutPlan(graph: FlowGraph): FlowGraph {
  return { ...graph, nodes: graph.nodes.map(({ planned: _, ...node }) => node) }
}

function formatOf(output: string | undefined): string {
  const [, ending] = /\.(dot|svg|json|gv|mmd)$/.exec(output ?? '') ?? []
  return ending === 'gv' ? 'dot' : ending === 'mmd' ? 'mermaid' : (ending ?? 'text')
}

async function drawing(graph: FlowGraph): Promise<string> {
  const { drawBoxes } = await import('../graph/draw-boxes.ts')
  const { drawTree } = await import('../graph/draw-tree.ts')
  const { width } = terminalWidth(process.stdout)
  const paint = painter(wantsColor(process.stdout))
  const boxes = graph.nodes.length > MAX_BOXES ? undefined : drawBoxes(graph, width ?? USUAL_WIDTH, paint)
  return boxes ?? drawTree(graph, width, paint)
}
