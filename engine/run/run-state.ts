/** @file The state of a run as its events make it, kept in its history. */
import type { FlowEvent, NodeCounts, NodeOutput } from '../events/event.ts'
import type { CacheKey, NodeId, RunId } from '../identity.ts'
import type { StageFailureDetails } from '../stage/failure.ts'
import type { ResourceUse } from '../stage/resource-use.ts'

export interface RunNodeState {
  readonly stage: string
  readonly state: 'waiting' | 'running' | 'executed' | 'reused' | 'failed' | 'skipped'
  readonly key?: CacheKey
  readonly reason?: string
  readonly durationMs?: number
  /** Of a reused node: what executing it took. */
  readonly savedMs?: number
  readonly resourceUse?: ResourceUse
  readonly outputs?: Readonly<Record<string, NodeOutput>>
  readonly failure?: StageFailureDetails
  readonly log?: string
}

export interface RunState {
  readonly schema: 1
  readonly runId: RunId
  readonly workflow: string
  readonly file: string
  readonly pid: number
  /** ISO 8601, as all times here. */
  readonly startedAt: string
  readonly finishedAt?: string
  readonly ok?: boolean
  readonly interrupted?: boolean
  readonly counts?: NodeCounts
  readonly durationMs?: number
  readonly nodes: Readonly<Record<string, RunNodeState>>
}

/** The same while it changes: a run of many nodes would spend its time on copies of it. */
export interface GrowingRunState extends Omit<RunState, 'nodes'> {
  nodes: Map<string, { -readonly [Field in keyof RunNodeState]: RunNodeState[Field] }>
}

/** Takes an event in. `time`: ISO 8601. */
export function applyEvent(state: GrowingRunState, event: FlowEvent, time: string): void {
  const update = (node: NodeId, change: Partial<RunNodeState>) => {
    const known = state.nodes.get(node)
    if (known === undefined) throw new Error(`event of a node that the run does not have: ${node}`)
    Object.assign(known, change)
  }
  switch (event.type) {
    case 'run-started':
      state.nodes = new Map(event.nodes.map(({ node, stage }) => [node, { stage, state: 'waiting' }]))
      return
    case 'node-started':
      update(event.node, { state: 'running', key: event.key, reason: event.reason })
      return
    case 'node-retrying':
      update(event.node, { state: 'waiting', reason: event.failure.message, log: event.log })
      return
    case 'node-waiting':
    case 'node-progress':
    case 'node-heartbeat':
    case 'node-log':
    case 'warning':
      return
    case 'node-finished': {
      const { outcome, key, durationMs, savedMs, outputs, reason, resourceUse } = event
      update(event.node, { state: outcome, key, durationMs, outputs })
      if (savedMs !== undefined) update(event.node, { savedMs })
      if (resourceUse !== undefined) update(event.node, { resourceUse })
      if (reason !== undefined) update(event.node, { reason })
      return
    }
    case 'node-failed': {
      const { durationMs, log, resourceUse } = event
      const { stack: _, ...failure } = event.failure
      const kept = log === undefined ? {} : { log }
      const used = resourceUse === undefined ? {} : { resourceUse }
      update(event.node, { state: 'failed', durationMs, failure, ...kept, ...used })
      return
    }
    case 'node-skipped':
      update(event.node, { state: 'skipped', reason: event.reason ?? event.because })
      return
    case 'run-finished':
      Object.assign(state, {
        finishedAt: time,
        ok: event.ok,
        interrupted: event.interrupted === true,
        counts: event.nodes,
        durationMs: event.durationMs,
      } satisfies Partial<RunState>)
      return
    default:
      event satisfies never
  }
}
