/** @file The state of a run as a person sees it: a pure fold over the events. Every view draws from this alone. */
import type { FlowEvent, NodeCounts, NodeOutput, SkipCause } from '../events/event.ts'
import type { NodeId, RunId } from '../identity.ts'
import type { Progress } from '../stage/define.ts'
import type { StageFailureDetails } from '../stage/failure.ts'
import type { LeaseHolder } from '../store/leases.ts'

export type NodeState = 'waiting' | 'running' | 'executed' | 'reused' | 'failed' | 'skipped'

export interface NodeView {
  readonly node: NodeId
  readonly stage: string
  readonly dependsOn: readonly NodeId[]
  readonly state: NodeState
  /** Why it runs, why it was reused, or because of which node it was skipped. */
  readonly reason?: string
  /** The other process that computes what this node waits for. */
  readonly holder?: LeaseHolder
  readonly startedAtMs?: number
  /** While it waits for another attempt. */
  readonly retry?: {
    readonly attempt: number
    readonly attempts: number
    readonly atMs: number
    readonly message: string
  }
  readonly durationMs?: number
  readonly progress?: Progress
  /** Latest last; at most `sparklineLength`. */
  readonly losses: readonly number[]
  /** Where the current count began, for the time that is left: counts restart when a stage enters a new phase. */
  readonly countedFrom?: { readonly step: number; readonly atMs: number }
  readonly remainingMs?: number
  /** Its latest log line. */
  readonly lastLine?: string
  /** What is known of it since it last said anything. */
  readonly heartbeat?: {
    readonly cores?: number
    readonly memoryBytes?: number
    readonly stalledMs?: number
  }
  /** When it was last heard of. */
  readonly heardAtMs?: number
  readonly outputs: Readonly<Record<string, NodeOutput>>
  readonly failure?: StageFailureDetails
  /** Of a failure that is a bug. */
  readonly stack?: string
  readonly log?: string
}

export interface RunView {
  readonly runId?: RunId
  readonly workflow: string
  readonly file: string
  readonly startedAtMs: number
  /** In topological order. */
  readonly nodes: readonly NodeView[]
  /** Where a node stands in `nodes`. */
  readonly places: ReadonlyMap<NodeId, number>
  readonly warnings: readonly string[]
  readonly finished?: {
    readonly ok: boolean
    readonly interrupted: boolean
    readonly nodes: NodeCounts
    readonly durationMs: number
  }
}

export const sparklineLength = 24

export const emptyRunView: RunView = {
  workflow: '',
  file: '',
  startedAtMs: 0,
  nodes: [],
  places: new Map(),
  warnings: [],
}

export function reduceRunView(view: RunView, event: FlowEvent, nowMs: number): RunView {
  switch (event.type) {
    case 'run-started':
      return {
        runId: event.runId,
        workflow: event.workflow,
        file: event.file,
        startedAtMs: nowMs,
        nodes: event.nodes.map((node) => ({ ...node, state: 'waiting', losses: [], outputs: {} })),
        places: new Map(event.nodes.map(({ node }, place) => [node, place])),
        warnings: view.warnings,
      }
    case 'node-started':
      return updateNode(view, event.node, (node) => ({
        ...withoutOthersProgress(node),
        state: 'running',
        reason: event.reason,
        startedAtMs: nowMs,
        heardAtMs: nowMs,
      }))
    case 'node-retrying':
      return updateNode(view, event.node, (node) => ({
        ...withoutOthersProgress(node),
        state: 'waiting',
        retry: {
          attempt: event.attempt,
          attempts: event.attempts,
          atMs: nowMs + event.delayMs,
          message: event.failure.message,
        },
      }))
    case 'node-waiting':
      return updateNode(view, event.node, (node) => withHolder(node, event.holder, nowMs))
    case 'node-progress':
      return updateNode(view, event.node, (node) => withProgress(node, event, nowMs))
    case 'node-heartbeat': {
      const { cores, memoryBytes, stalledMs } = event
      const heartbeat = {
        ...(cores === undefined ? {} : { cores }),
        ...(memoryBytes === undefined ? {} : { memoryBytes }),
        ...(stalledMs === undefined ? {} : { stalledMs }),
      }
      return updateNode(view, event.node, (node) => ({ ...node, heartbeat }))
    }
    case 'node-log': {
      const next = updateNode(view, event.node, ({ heartbeat: _, ...node }) => ({
        ...node,
        lastLine: event.message,
        heardAtMs: nowMs,
      }))
      if (event.level !== 'warning') return next
      return { ...next, warnings: [...next.warnings, `${event.node}: ${event.message}`] }
    }
    case 'node-finished':
      return finishNodes(view, [event])
    case 'node-failed':
      return updateNode(view, event.node, ({ remainingMs: _, ...node }) => ({
        ...node,
        state: 'failed',
        durationMs: event.durationMs,
        failure: event.failure,
        ...(event.failure.stack === undefined ? {} : { stack: event.failure.stack }),
        ...(event.log === undefined ? {} : { log: event.log }),
      }))
    case 'node-skipped':
      return updateNode(view, event.node, ({ remainingMs: _, ...node }) => ({
        ...node,
        state: 'skipped',
        reason: event.reason ?? skipReason(event.because),
      }))
    case 'warning':
      return { ...view, warnings: [...view.warnings, event.message] }
    case 'run-finished':
      return {
        ...view,
        finished: {
          ok: event.ok,
          interrupted: event.interrupted === true,
          nodes: event.nodes,
          durationMs: event.durationMs,
        },
      }
    default:
      return event satisfies never
  }
}

export type NodeFinished = Extract<FlowEvent, { readonly type: 'node-finished' }>

/** As `reduceRunView` for each event in turn, with one copy of the view. */
export function finishNodes(view: RunView, events: readonly NodeFinished[]): RunView {
  const nodes = view.nodes.slice()
  for (const event of events) {
    const place = view.places.get(event.node)
    const known = place === undefined ? undefined : nodes[place]
    if (place === undefined || known === undefined) continue
    const { remainingMs: _, ...node } = known
    nodes[place] = {
      ...node,
      state: event.outcome,
      durationMs: event.durationMs,
      outputs: event.outputs,
      ...(event.reason === undefined ? {} : { reason: event.reason }),
    }
  }
  return { ...view, nodes }
}

export function skipReason(because: SkipCause): string {
  if (because === 'interrupted') return 'interrupted'
  if (because === 'condition') return 'its condition is false'
  return because === 'not-selected' ? 'not selected' : `${because} failed`
}

export function nodeOf(view: RunView, id: NodeId): NodeView {
  const node = view.nodes[view.places.get(id) ?? -1]
  if (node === undefined) throw new Error(`event of a node that the run does not have: ${id}`)
  return node
}

/** Nodes whose outputs no other node reads: what the run was for. */
export function lastNodes(view: RunView): readonly NodeView[] {
  const read = new Set(view.nodes.flatMap((node) => node.dependsOn))
  return view.nodes.filter((node) => !read.has(node.node))
}

function updateNode(view: RunView, id: NodeId, update: (node: NodeView) => NodeView): RunView {
  const place = view.places.get(id)
  const node = place === undefined ? undefined : view.nodes[place]
  if (place === undefined || node === undefined) return view
  const nodes = view.nodes.slice()
  nodes[place] = update(node)
  return { ...view, nodes }
}

/** Progress before a node starts is that of fetching its inputs, of another run, or of an attempt that failed. */
function withoutOthersProgress(node: NodeView): NodeView {
  const { holder, retry, progress, countedFrom, remainingMs, heartbeat, ...own } = node
  return { ...own, losses: [] }
}

function withHolder(node: NodeView, holder: LeaseHolder, nowMs: number): NodeView {
  const { progress } = holder
  return {
    ...(progress === undefined ? node : withProgress(node, progress, nowMs)),
    holder,
    heardAtMs: nowMs,
  }
}

function withProgress(node: NodeView, event: Progress, nowMs: number): NodeView {
  const { step, total, unit, loss, tokensPerSecond, note } = event
  const progress: Progress = {
    step,
    ...(total === undefined ? {} : { total }),
    ...(unit === undefined ? {} : { unit }),
    ...(loss === undefined ? {} : { loss }),
    ...(tokensPerSecond === undefined ? {} : { tokensPerSecond }),
    ...(note === undefined ? {} : { note }),
  }
  const sameCount =
    node.progress !== undefined &&
    node.countedFrom !== undefined &&
    step >= node.progress.step &&
    node.progress.unit === unit &&
    node.progress.total === total
  const countedFrom = sameCount ? node.countedFrom : { step, atMs: nowMs }
  const { remainingMs: _, heartbeat: __, ...rest } = node
  const remainingMs = estimateRemaining(countedFrom, step, total, nowMs)
  return {
    ...rest,
    progress,
    countedFrom,
    heardAtMs: nowMs,
    losses: loss === undefined ? node.losses : [...node.losses, loss].slice(-sparklineLength),
    ...(remainingMs === undefined ? {} : { remainingMs }),
  }
}

function estimateRemaining(
  from: { readonly step: number; readonly atMs: number },
  step: number,
  total: number | undefined,
  nowMs: number,
): number | undefined {
  if (total === undefined || step >= total || step <= from.step || nowMs <= from.atMs) return undefined
  return ((nowMs - from.atMs) / (step - from.step)) * (total - step)
}
