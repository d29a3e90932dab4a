/**
 * @file What the engine wrote where outside its store: one file a destination, so that two processes that write
 * different destinations never meet.
 */
import type { ValueKind } from '../fingerprint/value.ts'
import type { ContentHash } from '../identity.ts'
import { pathWithin } from '../path-within.ts'
import { writeAtomically } from './atomic-write.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import { readSealed, seal } from './sealed-json.ts'

export interface WrittenValue {
  readonly kind: ValueKind
  readonly hash: ContentHash
}

export interface LedgerEntry {
  readonly destination: string
  readonly value: WrittenValue
  /** Set before the first byte is written and cleared after the last: a crash in between leaves it set. */
  readonly writing?: {
    /** What the engine had written there before. */
    readonly previous: WrittenValue | null
    /** Names beside the destination that the engine alone may have made. */
    readonly temporaries: readonly string[]
  }
}

export class Ledger {
  readonly #layout: Layout
  readonly #owner: Owner
  readonly #project: string

  constructor(layout: Layout, owner: Owner, project: string) {
    this.#layout = layout
    this.#owner = owner
    this.#project = project
  }

  /** The destination as the ledger knows it: relative, so that a project may be moved. */
  nameOf(destination: string): string {
    return pathWithin(this.#project, destination) ?? destination
  }

  lockOf(destination: string): string {
    return this.#layout.lock(`destination-${this.#layout.ledgerId(this.nameOf(destination))}`)
  }

  /** A damaged entry counts as none: better to ask the user than to take a file for ours. */
  read(destination: string): LedgerEntry | undefined {
    const sealed = readSealed(this.#layout.ledgerEntry(this.nameOf(destination)))
    return sealed.state === 'whole' ? (sealed.value as LedgerEntry) : undefined
  }

  async write(destination: string, entry: Omit<LedgerEntry, 'destination'>): Promise<void> {
    const name = this.nameOf(destination)
    const full: LedgerEntry = { destination: name, ...entry }
    writeAtomically(this.#layout.ledgerEntry(name), seal(full), await this.#owner.temporary())
  }
}
