/** @file What happens between the runs of `flow watch`, beside the events of the runs themselves. */
import type { Diagnostic } from '../diagnostic.ts'
import type { NodeId } from '../identity.ts'
import type { FlowEvent } from './event.ts'

export interface FileChange {
  /** Project-relative where it lies in the project. */
  readonly path: string
  readonly change: 'written' | 'removed'
}

export type WatchEvent =
  /** The events of another run follow, or `invalid`. */
  | {
      readonly type: 'files-changed'
      readonly files: readonly FileChange[]
      /** Nodes that ran and are stopped, since the change makes what they do useless. */
      readonly stopped: readonly NodeId[]
      /** Nodes that go on running. */
      readonly kept: readonly NodeId[]
    }
  /** The workflow cannot run as it is now. */
  | {
      readonly type: 'invalid'
      readonly diagnostics: readonly (Diagnostic & { readonly line?: number; readonly column?: number })[]
      /** As a person reads them. */
      readonly text: string
    }
  /** Nothing runs; the next change begins a run. */
  | { readonly type: 'watching'; readonly files: number }

export function isWatchEvent(event: FlowEvent | WatchEvent): event is WatchEvent {
  return event.type === 'files-changed' || event.type === 'invalid' || event.type === 'watching'
}
