/** @file The contract of an artifact type: what a value that flows between stages is, and how it is checked. */

/** One fault found in an artifact's content. */
export interface ArtifactFault {
  readonly message: string
  /** Path inside a folder artifact; absent for a file artifact. */
  readonly file?: string
  /** 1-based. */
  readonly line?: number
  readonly hint?: string
}

export interface ArtifactDefinition {
  /** Kebab-case, unique in a project: `preferences`. */
  readonly name: string
  readonly kind: 'file' | 'folder'
  readonly description: string
  /** A more general type that each value of this one also is: `preferences` are `jsonl`. */
  readonly extends?: string
  /** Yields the faults of the value at `path` (absolute). Should stop by itself after a few dozen. */
  validate(path: string): AsyncIterable<ArtifactFault> | Iterable<ArtifactFault>
  /** One short line about the value at `path`: "160 pairs". */
  describe(path: string): Promise<string> | string
}

export function defineArtifact(definition: ArtifactDefinition): ArtifactDefinition {
  return definition
}
