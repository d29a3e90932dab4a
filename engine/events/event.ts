/**
 * @file The one union of everything that happens in a run. The terminal view, the plain log, the JSON stream and
 * the run's journal are subscribers; none of them decides anything. Field names are stable: scripts read them.
 */
import type { CacheKey, ContentHash, NodeId, RunId } from '../identity.ts'
import type { Progress } from '../stage/define.ts'
import type { StageFailureDetails } from '../stage/failure.ts'
import type { ResourceUse } from '../stage/resource-use.ts'
import type { LeaseHolder } from '../store/leases.ts'

export interface NodeOutput {
  readonly type: string
  readonly hash: ContentHash
  readonly sizeBytes: number
  /** Where it was materialised, project-relative. */
  readonly path?: string
  /** One line from the artifact's `describe`. */
  readonly description?: string
}

export interface NodeCounts {
  readonly executed: number
  readonly reused: number
  readonly failed: number
  readonly skipped: number
}

/** A node that failed, or what else kept a node from running. */
export type SkipCause = NodeId | 'interrupted' | 'not-selected' | 'condition'

export type FlowEvent =
  | {
      readonly type: 'run-started'
      readonly runId: RunId
      readonly workflow: string
      readonly file: string
      readonly nodes: readonly {
        readonly node: NodeId
        readonly stage: string
        readonly dependsOn: readonly NodeId[]
      }[]
    }
  /** It will run; `reason` says in one line why it is not reused. */
  | {
      readonly type: 'node-started'
      readonly node: NodeId
      readonly stage: string
      readonly key: CacheKey
      readonly reason: string
      /** From 2, where it is tried again. */
      readonly attempt?: number
    }
  /** An attempt failed in a way that may pass; after `delayMs` comes the next, number `attempt` of `attempts`. */
  | {
      readonly type: 'node-retrying'
      readonly node: NodeId
      readonly attempt: number
      readonly attempts: number
      readonly delayMs: number
      readonly failure: StageFailureDetails
      /** Log of the failed attempt, project-relative. */
      readonly log: string
    }
  /** Another process computes its key; the result will be reused. Told again when there is news of the holder. */
  | {
      readonly type: 'node-waiting'
      readonly node: NodeId
      readonly key: CacheKey
      readonly holder: LeaseHolder
    }
  | ({ readonly type: 'node-progress'; readonly node: NodeId } & Progress)
  /** A running node that says nothing. */
  | {
      readonly type: 'node-heartbeat'
      readonly node: NodeId
      /** Since its last progress or output. */
      readonly silentMs: number
      /** Processors that it keeps busy; absent where the system does not tell. */
      readonly cores?: number
      readonly memoryBytes?: number
      /** For how long it has neither said nor computed anything, once that is as long as its `stall` says. */
      readonly stalledMs?: number
    }
  | {
      readonly type: 'node-log'
      readonly node: NodeId
      readonly level: 'info' | 'warning'
      readonly message: string
    }
  | {
      readonly type: 'node-finished'
      readonly node: NodeId
      /** `executed` now, or `reused` from the store. */
      readonly outcome: 'executed' | 'reused'
      readonly key: CacheKey
      readonly durationMs: number
      readonly outputs: Readonly<Record<string, NodeOutput>>
      /** Of one that was executed. */
      readonly resourceUse?: ResourceUse
      /** What executing it took when that was done; of one that was reused from the store. */
      readonly savedMs?: number
      /** Why it could be reused, or why its result was not kept. */
      readonly reason?: string
    }
  | {
      readonly type: 'node-failed'
      readonly node: NodeId
      readonly durationMs: number
      readonly failure: StageFailureDetails & {
        readonly stack?: string
      } /** Its log file, project-relative. */
      readonly log?: string
      readonly resourceUse?: ResourceUse
    }
  /** Not run because `because` failed, the run was interrupted, or its condition is false. */
  | {
      readonly type: 'node-skipped'
      readonly node: NodeId
      readonly because: SkipCause
      /** Of a condition: one line. */
      readonly reason?: string
    }
  | { readonly type: 'warning'; readonly message: string; readonly hint?: string }
  | {
      readonly type: 'run-finished'
      readonly ok: boolean
      readonly interrupted?: boolean
      readonly nodes: NodeCounts
      readonly durationMs: number
    }

export type EventListener = (event: FlowEvent) => void
