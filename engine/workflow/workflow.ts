/** @file A validated workflow: every reference resolved, every parameter typed, the graph acyclic. Read-only. */
import type { SourceRange } from '../diagnostic.ts'
import type { JsonObject, NodeId } from '../identity.ts'
import type { StageManifest } from '../stage/catalog.ts'

/** Where one input value comes from. */
export type InputSource =
  | {
      readonly kind: 'file'
      /** Project-relative, or absolute if so written. */
      readonly path: string
      /** Named on the command line, and not by the file: it may lie anywhere. */
      readonly given?: true
      readonly range: SourceRange
    }
  | {
      /** A value that its type brings from elsewhere. */
      readonly kind: 'remote'
      readonly type: string
      /** As the type understands it. */
      readonly name: string
      /** As written: with the scheme, or like a path. */
      readonly text: string
      readonly range: SourceRange
    }
  | { readonly kind: 'node'; readonly node: NodeId; readonly port: string; readonly range: SourceRange }

export type InputBinding =
  | { readonly many: false; readonly source: InputSource }
  | {
      readonly many: true
      readonly sources: readonly { readonly label: string; readonly source: InputSource }[]
    }

export interface RetryPolicy {
  /** Attempts after the first one; 0: none. */
  readonly times: number
  /** Before the second attempt. */
  readonly delayMs: number
  /** By which each delay is longer than the one before, up to `maxDelayMs`. */
  readonly factor: number
  readonly maxDelayMs: number
}

/** What a node holds while it runs, beside a place among the running ones. */
export interface ResourceRequest {
  /** Devices. Absent: one where there is one and the stage can use it. */
  readonly gpus?: number
  readonly memoryBytes?: number
  /** Name -> how many. */
  readonly slots?: Readonly<Record<string, number>>
}

/** How a node runs. Nothing of it but `env` can change a result, or is in the key. */
export interface NodePolicy {
  /** Absent: not tried again. */
  readonly retry?: RetryPolicy
  /** Of one attempt. 0 or absent: none. */
  readonly timeoutMs?: number
  /** After which a silent and idle node counts as stalled. 0: never. Absent: the engine's default. */
  readonly stallMs?: number
  readonly resources?: ResourceRequest
  /** Variable -> its value; null: as it is when the workflow runs. */
  readonly env?: Readonly<Record<string, string | null>>
}

export interface WorkflowNode {
  readonly id: NodeId
  readonly stage: StageManifest
  /** Bound input ports only; an optional port that the file leaves out is absent. */
  readonly inputs: Readonly<Record<string, InputBinding>>
  /** Stage parameters: templates replaced, defaults filled in, validated. */
  readonly params: JsonObject
  /** Port -> project-relative path to materialise at. Ports that name no path live in the store alone. */
  readonly outputs: Readonly<Record<string, string>>
  readonly dependsOn: readonly NodeId[]
  readonly policy: NodePolicy
  /** It does not run: its condition is false, or an input that it needs comes from a node that does not run. */
  readonly skipped?: { readonly reason: string }
  /** What it was expanded from, outermost first: `['rounds', '2']` of `rounds/2/dpo`. */
  readonly group: readonly string[]
  /** The file that declares it. */
  readonly file: string
  /** Span of the node's name in that file. */
  readonly range: SourceRange
}

export interface Workflow {
  readonly name: string
  readonly description: string
  /** As given on the command line. */
  readonly file: string
  readonly source: string
  /** Workflow parameters as resolved. */
  readonly params: JsonObject
  /** Named slots that nodes compete for -> how many there are. */
  readonly slots: Readonly<Record<string, number>>
  /** In topological order; ties in file order. */
  readonly nodes: ReadonlyMap<NodeId, WorkflowNode>
}
