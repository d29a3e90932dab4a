/**
 * @file One run of a workflow: each selected node waits for the nodes that it reads from, and is then reused or
 * executed. Keys are computed only then, when the inputs exist, so that an upstream node that ran again with the
 * same output stops the rerun there.
 */
import type { EventListener, FlowEvent, NodeCounts, SkipCause } from '../events/event.ts'
import type { CacheKey, NodeId, RunId } from '../identity.ts'
import type { NodeOutputs } from '../plan/inputs.ts'
import type { PreparedRun, RunRequest } from '../plan/prepare.ts'
import type { Catalog } from '../stage/catalog.ts'
import { isSystemError } from '../stage/machine-failure.ts'
import type { WorkerPool } from '../stage/worker-pool.ts'
import type { WorkflowNode } from '../workflow/workflow.ts'
import type { Capacity } from './capacity.ts'
import { pathLengths } from './critical-path.ts'
import { earlierDurations } from './earlier-durations.ts'
import { Journal } from './journal.ts'
import type { PerformedWork } from './perform-work.ts'
import { reuseAtOnce } from './reuse-at-once.ts'
import { newRunId } from './run-id.ts'
import { runNode } from './run-node.ts'
import { Slots } from './slots.ts'
import { UnderWay } from './under-way.ts'

export interface RunOptions extends RunRequest {
  readonly catalog: Catalog
  /** Absolute path of `.flow`. */
  readonly flowFolder: string
  readonly capacity: Capacity
  /** Every node gets a process of its own. @default false */
  readonly isolate?: boolean
  /** `auto`, `cpu`, `tensorflow`. */
  readonly device: string
  /** Aborted to cancel: nothing new starts, and running stages are told to stop, unless they are `shared`. */
  readonly signal: AbortSignal
  readonly emit: EventListener
  /** What it shares with the runs before and after it. */
  readonly shared?: { readonly slots: Slots; readonly underWay: UnderWay } | undefined
  /** Called when nodes were executed and all nodes have ended, while the run still counts as running. */
  readonly onNodesEnded?: ((emit: EventListener) => Promise<void>) | undefined
}

export interface RunSummary {
  readonly runId: RunId
  readonly ok: boolean
  readonly interrupted: boolean
  readonly nodes: NodeCounts
  readonly durationMs: number
}

export type NodeResult =
  | { readonly state: 'executed' | 'reused'; readonly outputs: NodeOutputs }
  | { readonly state: 'failed' }
  | { readonly state: 'skipped'; readonly because: SkipCause }

/** Of the nodes so far, in topological order. */
type Results = ReadonlyMap<NodeId, NodeResult | Promise<NodeResult>>

/** What the nodes of one run share. */
export interface RunContext extends RunOptions {
  readonly slots: Slots
  readonly underWay: UnderWay
  /** Made when first asked for: a run that only reuses needs none of its code. */
  readonly workers: () => Promise<WorkerPool>
  readonly journal: Journal
  /** Made when first asked for: a run that executes nothing needs none. */
  readonly priorities: () => ReadonlyMap<NodeId, number>
  /** Work under way or done in this run, by key: nodes with equal keys execute once. */
  readonly work: Map<CacheKey, { readonly node: NodeId; readonly result: Promise<PerformedWork> }>
}

export async function runWorkflow(options: RunOptions, prepared: PreparedRun): Promise<RunSummary> {
  const { workflow } = options
  const startedMs = performance.now()
  const runId = newRunId(new Date())
  const journal = new Journal(options.flowFolder, { runId, workflow: workflow.name, file: workflow.file })
  let lossTold = false
  /** Neither begun nor over, and of those that take any fresh process. */
  const toCome = new Set<NodeId>()
  const emit = (event: FlowEvent) => {
    if (event.type === 'node-started') toCome.delete(event.node)
    journal.onEvent(event)
    options.emit(event)
    if (journal.loss === undefined || lossTold) return
    lossTold = true
    options.emit({ type: 'warning', message: `the history of this run has gaps: ${journal.loss}` })
  }
  let workers: Promise<WorkerPool> | undefined
  let priorities: ReadonlyMap<NodeId, number> | undefined
  const context: RunContext = {
    ...options,
    emit,
    journal,
    slots: options.shared?.slots ?? new Slots(options.capacity),
    underWay: options.shared?.underWay ?? new UnderWay(options.signal),
    workers: () => {
      workers ??= openWorkers(options, () => toCome.size)
      return workers
    },
    priorities: () => {
      priorities ??= pathLengths(workflow, earlierDurations(options.flowFolder, workflow))
      return priorities
    },
    work: new Map(),
  }
  const nodes = [...workflow.nodes.values()]
  for (const node of nodes)
    if (prepared.selected.has(node.id) && takesAnyProcess(node, options)) toCome.add(node.id)
  emit({
    type: 'run-started',
    runId,
    workflow: workflow.name,
    file: workflow.file,
    nodes: nodes.map((node) => ({ node: node.id, stage: node.stage.name, dependsOn: node.dependsOn })),
  })

  const results = new Map<NodeId, NodeResult | Promise<NodeResult>>()
  /** Outputs of what is settled already. */
  const made = new Map(prepared.upstream)
  /** Not over yet, and of stages that use what processes keep. */
  const keeping = new Set(nodes.filter(({ stage }) => stage.keeps.length > 0))
  const settleAndTidy = async (node: WorkflowNode) => {
    const result = await settle(context, prepared, node, results)
    keeping.delete(node)
    toCome.delete(node.id)
    if (keeping.size === 0) await (await workers)?.endIdle()
    await (await workers)?.endSurplus()
    return result
  }
  for (const node of nodes) {
    const isWanted = prepared.selected.has(node.id) && node.skipped === undefined
    const reused = isWanted ? reuseAtOnce(context, node, made) : undefined
    results.set(node.id, reused ?? settleAndTidy(node))
    if (reused === undefined) continue
    made.set(node.id, reused.outputs)
    keeping.delete(node)
    toCome.delete(node.id)
  }
  const counts = { executed: 0, reused: 0, failed: 0, skipped: 0 }
  for (const result of await Promise.all(results.values())) counts[result.state] += 1
  if (counts.executed > 0) {
    await options.store.settled().catch((error: unknown) => {
      if (!isSystemError(error)) throw error
      emit({ type: 'warning', message: `a power cut may take results of this run: ${error.message}` })
    })
    await options.onNodesEnded?.(emit)
  }

  const interrupted = options.signal.aborted
  const ok = counts.failed === 0 && !interrupted
  const durationMs = Math.round(performance.now() - startedMs)
  emit({ type: 'run-finished', ok, ...(interrupted ? { interrupted } : {}), nodes: counts, durationMs })
  return { runId, ok, interrupted, nodes: counts, durationMs }
}

async function openWorkers(
  { capacity, isolate = false }: RunOptions,
  toCome: () => number,
): Promise<WorkerPool> {
  const { WorkerPool } = await import('../stage/worker-pool.ts')
  return new WorkerPool({ jobs: capacity.jobs, isolate, toCome })
}

/** Whether a process will do for it that was started before anything of the node was known. */
function takesAnyProcess(
  { stage, policy, skipped }: WorkflowNode,
  { isolate, capacity }: RunOptions,
): boolean {
  const usesKept = stage.keeps.length > 0 && isolate !== true
  const mayHaveDevices = policy.resources?.gpus !== undefined || (stage.gpu && capacity.gpus.length > 0)
  return skipped === undefined && !stage.light && !usesKept && !mayHaveDevices && policy.env === undefined
}

async function settle(
  context: RunContext,
  prepared: PreparedRun,
  node: WorkflowNode,
  results: Results,
): Promise<NodeResult> {
  if (!prepared.selected.has(node.id)) {
    context.emit({ type: 'node-skipped', node: node.id, because: 'not-selected' })
    return { state: 'skipped', because: 'not-selected' }
  }
  if (node.skipped !== undefined) {
    const { reason } = node.skipped
    context.emit({ type: 'node-skipped', node: node.id, because: 'condition', reason })
    return { state: 'skipped', because: 'condition' }
  }
  const result = await runNode(context, node, () => upstreamOf(node, prepared, results))
  if (result.state === 'skipped')
    context.emit({ type: 'node-skipped', node: node.id, because: result.because })
  return result
}

/** The outputs of all nodes that `node` reads from, or why there are none. */
async function upstreamOf(
  node: WorkflowNode,
  prepared: PreparedRun,
  results: Results,
): Promise<Map<NodeId, NodeOutputs> | { readonly because: SkipCause }> {
  const outputs = new Map<NodeId, NodeOutputs>()
  let because: SkipCause | undefined
  for (const id of node.dependsOn) {
    const stored = prepared.upstream.get(id)
    const result: NodeResult =
      stored === undefined ? await required(results, id) : { state: 'reused', outputs: stored }
    switch (result.state) {
      case 'executed':
      case 'reused':
        outputs.set(id, result.outputs)
        break
      case 'failed':
        because ??= id
        break
      case 'skipped':
        because ??= result.because
        break
      default:
        result satisfies never
    }
  }
  return because === undefined ? outputs : { because }
}

function required(results: Results, id: NodeId): NodeResult | Promise<NodeResult> {
  const result = results.get(id)
  if (result === undefined) throw new Error(`${id} comes after a node that reads from it`)
  return result
}
