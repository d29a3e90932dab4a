/** @file Action records: that a key is done, and what came of it. No record, not done. */
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { CacheKey } from '../identity.ts'
import { placeFile, writeAtomically } from './atomic-write.ts'
import { settledStateOf } from './file-state.ts'
import { Later } from './later.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import type { Quarantine } from './quarantine.ts'
import { type ActionRecord, RECORD_SCHEMA } from './record.ts'
import { readSealed, seal } from './sealed-json.ts'
import { type SizedFile, syncFolders } from './sync.ts'

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
  readonly #unsynced = new Later<string>(syncFolders)

  constructor(layout: Layout, owner: Owner, quarantine: Quarantine) {
    this.#layout = layout
    this.#owner = owner
    this.#quarantine = quarantine
  }

  /** A damaged record is quarantined. Says nothing about the blobs that a record names. */
  async read(key: CacheKey): Promise<ReadRecord> {
    const path = this.#layout.action(key)
    // To ask costs nothing beside a `stat` that finds nothing.
    if (!existsSync(path)) return { state: 'absent' }
    const fileState = settledStateOf(path)
    const sealed = readSealed(path)
    if (sealed.state === 'absent') return { state: 'absent' }
    const record = sealed.state === 'whole' ? (sealed.value as ActionRecord) : undefined
    if (record?.schema === RECORD_SCHEMA && record.key === key) return { state: 'found', record, fileState }
    await this.#quarantine.take(path)
    return { state: 'damaged' }
  }

  /** Writes a record where only this process sees it. It is to be synced, and then to be made the key's by `create`. */
  async draft(record: ActionRecord): Promise<SizedFile> {
    const path = await this.#owner.temporary()
    const text = seal(record)
    try {
      writeFileSync(path, text, { flag: 'wx' })
    } catch (error) {
      rmSync(path, { force: true })
      throw error
    }
    return { path, sizeBytes: Buffer.byteLength(text) }
  }

  /**
   * False where the key has a record by now: the first one stays, also against whoever was suspended between looking
   * and writing. Every blob that the record names, and the draft, have been synced; the record's own name is soon.
   */
  create(key: CacheKey, draft: SizedFile): boolean {
    const path = this.#layout.action(key)
    try {
      placeFile(draft.path, path, { replace: false, durable: false })
    } catch (error) {
      rmSync(draft.path, { force: true })
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      return false
    }
    this.#unsynced.add(dirname(path))
    // The folder's own name may be new.
    this.#unsynced.add(this.#layout.actions)
    return true
  }

  /** Resolves once all records that were created outlive a power cut. Throws what the system says where they cannot. */
  synced(): Promise<void> {
    return this.#unsynced.done()
  }

  /** Puts the record in place of an earlier one; the blobs that it names have been synced. */
  async replace(record: ActionRecord): Promise<void> {
    writeAtomically(this.#layout.action(record.key), seal(record), await this.#owner.temporary())
  }
}
