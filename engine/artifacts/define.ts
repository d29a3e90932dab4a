/** @file The contract of an artifact type: what a value that flows between stages is, and how it is checked. */
import type { Progress } from '../stage/define.ts'

/** One fault found in an artifact's content. */
export interface ArtifactFault {
  readonly message: string
  /** Path inside a folder artifact; absent for a file artifact. */
  readonly file?: string
  /** 1-based. */
  readonly line?: number
  readonly hint?: string
}

/** `either`: a value may be a file or a folder. */
export type ArtifactKind = 'file' | 'folder' | 'either'

/** Where values of a type come from that inputs name without a path: a hub of models. */
export interface RemoteSource {
  /** Written before a name, it says that no path is meant: `hf://`. */
  readonly scheme: string
  /**
   * What a name looks like without the scheme: the source of a regular expression for the whole of it. Such a text
   * is a path wherever that path, or its first folder, exists.
   */
  readonly pattern: string
  /** Absolute path of the value where it is on this machine already. Asks no network. */
  find(name: string): Promise<string | undefined> | string | undefined
  /** Brings the value here; returns its absolute path. What the user can mend is thrown as a `StageFailure`. */
  fetch(name: string, context: FetchContext): Promise<string>
}

export interface FetchContext {
  readonly signal: AbortSignal
  progress(progress: Progress): void
}

export interface ArtifactDefinition {
  /** Kebab-case, unique in a project: `preferences`. */
  readonly name: string
  readonly kind: ArtifactKind
  readonly description: string
  /** A more general type that each value of this one also is: `preferences` are `jsonl`. */
  readonly extends?: string
  readonly remote?: RemoteSource
  /** Yields the faults of the value at `path` (absolute). Should stop by itself after a few dozen. */
  validate(path: string): AsyncIterable<ArtifactFault> | Iterable<ArtifactFault>
  /** One short line about the value at `path`: "160 pairs". */
  describe(path: string): Promise<string> | string
}

export function defineArtifact(definition: ArtifactDefinition): ArtifactDefinition {
  return definition
}
