/** @file Action records: that a key is done, and what came of it. No record, not done. */
import type { CacheKey } from '../identity.ts'
import { writeAtomically } from './atomic-write.ts'
import { settledStateOf } from './file-state.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import type { Quarantine } from './quarantine.ts'
import { type ActionRecord, RECORD_SCHEMA } from './record.ts'
import { readSealed, seal } from './sealed-json.ts'

export type ReadRecord =
  | {
      readonly state: 'found'
      readonly record: ActionRecord
      /** State of its file before it was read; absent where that would not betray a later change. */
      readonly fileState: string | undefined
    }
  | { readonly state: 'absent' | 'damaged' }

export class Actions {
  readonly #layout: Layout
  readonly #owner: Owner
  readonly #quarantine: Quarantine

  constructor(layout: Layout, owner: Owner, quarantine: Quarantine) {
    this.#layout = layout
    this.#owner = owner
    this.#quarantine = quarantine
  }

  /** A damaged record is quarantined. Says nothing about the blobs that a record names. */
  async read(key: CacheKey): Promise<ReadRecord> {
    const path = this.#layout.action(key)
    const fileState = settledStateOf(path)
    const sealed = readSealed(path)
    if (sealed.state === 'absent') return { state: 'absent' }
    const record = sealed.state === 'whole' ? (sealed.value as ActionRecord) : undefined
    if (record?.schema === RECORD_SCHEMA && record.key === key) return { state: 'found', record, fileState }
    await this.#quarantine.take(path)
    return { state: 'damaged' }
  }

  /**
   * False where the key has a record by now: the first one stays, also against whoever was suspended between looking
   * and writing. The caller has synced every blob that the record names.
   */
  async create(record: ActionRecord): Promise<boolean> {
    try {
      await this.#write(record, false)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      return false
    }
  }

  /** As `create`, in place of an earlier record. */
  async replace(record: ActionRecord): Promise<void> {
    await this.#write(record, true)
  }

  async #write(record: ActionRecord, replace: boolean): Promise<void> {
    const temporary = await this.#owner.temporary()
    writeAtomically(this.#layout.action(record.key), seal(record), temporary, { replace })
  }
}
