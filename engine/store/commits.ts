/**
 * @file How a finished attempt becomes a result. Order: outputs hashed and synced in private, renamed into the blobs,
 * those folders synced, the record renamed in last. A crash at any point leaves either the whole result or none.
 */
import { existsSync, lstatSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { cacheKey, type KeyPreimage } from '../fingerprint/key.ts'
import type { FileHash } from '../fingerprint/stat-cache.ts'
import type { ValueKind } from '../fingerprint/value.ts'
import type { CacheKey } from '../identity.ts'
import { StageFailure } from '../stage/failure.ts'
import { forgiveSystemError } from '../stage/machine-failure.ts'
import type { ResourceUse } from '../stage/resource-use.ts'
import type { Actions } from './actions.ts'
import type { Attempt, Attempts } from './attempts.ts'
import { type Blobs, Intake } from './blobs.ts'
import type { Layout } from './layout.ts'
import { isHeld, withLock } from './lock.ts'
import type { Lookups } from './lookups.ts'
import type { Owner } from './owner.ts'
import { type ActionRecord, RECORD_SCHEMA, type RecordedOutput } from './record.ts'
import { syncFile } from './sync.ts'
import type { Trees } from './trees.ts'

export interface CommitDetails {
  /** Its key must be the attempt's. */
  readonly preimage: KeyPreimage
  /** Every output port, with the artifact type and its kind. */
  readonly outputs: Readonly<Record<string, { readonly type: string; readonly kind: ValueKind }>>
  /** ISO 8601, when the stage began. */
  readonly startedAt: string
  readonly durationMs: number
  readonly resourceUse?: ResourceUse | undefined
  /** What it ran on. */
  readonly device?: string | undefined
  /** Replace an earlier result of the key. Default: false. */
  readonly refresh?: boolean
}

export interface CommittedRecord extends ActionRecord {
  /** Ports whose bytes are not those of the key's earlier result: the stage is not deterministic. */
  readonly differs: readonly string[]
}

export class Commits {
  readonly #layout: Layout
  readonly #owner: Owner
  readonly #blobs: Blobs
  readonly #trees: Trees
  readonly #actions: Actions
  readonly #lookups: Lookups
  readonly #attempts: Attempts

  constructor(
    layout: Layout,
    owner: Owner,
    blobs: Blobs,
    trees: Trees,
    actions: Actions,
    lookups: Lookups,
    attempts: Attempts,
  ) {
    this.#layout = layout
    this.#owner = owner
    this.#blobs = blobs
    this.#trees = trees
    this.#actions = actions
    this.#lookups = lookups
    this.#attempts = attempts
  }

  /** Number of the result that an attempt begun now would make. */
  async nextGeneration(key: CacheKey): Promise<number> {
    const earlier = await this.#actions.read(key)
    return earlier.state === 'found' ? earlier.record.generation + 1 : 1
  }

  async commit(attempt: Attempt, details: CommitDetails): Promise<CommittedRecord> {
    if (cacheKey(details.preimage) !== attempt.key)
      throw new Error(`attempt ${attempt.id} was begun for another key`)
    const intake = new Intake()
    let committed: CommittedRecord | undefined
    try {
      const outputs: Record<string, RecordedOutput> = {}
      for (const [port, { type, kind }] of Object.entries(details.outputs)) {
        outputs[port] = { type, kind, ...(await this.#takeOutput(attempt, port, kind, intake)) }
      }
      const record = newRecord(attempt, details, outputs)
      if (attempt.generation === 1) committed = await this.#recordFirst(attempt, record, intake)
      else await this.#blobs.place(intake)
      // Two processes may finish the same key at once: the first one's result is the key's result.
      const lock = this.#layout.lock(`record-${attempt.key}`)
      while (committed === undefined)
        committed = await withLock(this.#owner, lock, () =>
          this.#recordNext(attempt, record, details.refresh === true, lock),
        )
    } finally {
      this.#blobs.discard(intake)
    }
    // The result is there: what cannot be cleared away now is left to the next sweep.
    await this.#attempts.finish(attempt).catch(forgiveSystemError)
    return committed
  }

  /**
   * The usual case, in which the key had no record when the attempt began: the record waits for the disk together with
   * what it names. `undefined` where there is one now.
   */
  async #recordFirst(
    attempt: Attempt,
    record: ActionRecord,
    intake: Intake,
  ): Promise<CommittedRecord | undefined> {
    const draft = await this.#actions.draft(record)
    try {
      await this.#blobs.place(intake, [draft])
      this.#keepLog(attempt)
    } catch (error) {
      rmSync(draft.path, { force: true })
      throw error
    }
    return this.#actions.create(record.key, draft) ? { ...record, differs: [] } : undefined
  }

  async #takeOutput(attempt: Attempt, port: string, kind: ValueKind, intake: Intake): Promise<FileHash> {
    const path = attempt.outputPath(port)
    const own = lstatSync(path, { throwIfNoEntry: false })
    const isLink = own?.isSymbolicLink() === true
    const stats = isLink ? statSync(path, { throwIfNoEntry: false }) : own
    if (stats === undefined) {
      throw new StageFailure({
        code: 'output-missing',
        message: `the stage returned without writing its output ${port}`,
        hint: `it must create a ${kind} at \`outputs.${port}\``,
      })
    }
    if (kind === 'file' ? !stats.isFile() : !stats.isDirectory()) {
      const found = stats.isDirectory()
        ? 'a folder'
        : stats.isFile()
          ? 'a file'
          : 'neither a file nor a folder'
      throw new StageFailure({
        code: 'output-kind',
        message: `the stage wrote ${found} as its output ${port}, which is a ${kind}`,
      })
    }
    if (kind === 'folder') return this.#trees.takeFolder(path, intake)
    return this.#blobs.takeFile(path, isLink || stats.nlink > 1, intake)
  }

  /** `undefined` where another process came between, since this one was suspended: then look anew. */
  async #recordNext(
    attempt: Attempt,
    record: ActionRecord,
    refresh: boolean,
    lock: string,
  ): Promise<CommittedRecord | undefined> {
    const read = await this.#actions.read(attempt.key)
    if (read.state !== 'found') {
      const draft = await this.#actions.draft(record)
      await syncFile(draft)
      this.#keepLog(attempt)
      return this.#actions.create(attempt.key, draft) ? { ...record, differs: [] } : undefined
    }
    const earlier = read.record
    const differs = differingPorts(earlier, record.outputs)
    // A refresh replaces what was there when it began, not what another attempt has made since then.
    const refreshes = refresh && earlier.generation < attempt.generation
    if (!refreshes && (await this.#lookups.damages(earlier)).length === 0) return { ...earlier, differs }
    this.#keepLog(attempt)
    if (!isHeld(this.#owner, lock)) return undefined
    const next = { ...record, generation: earlier.generation + 1 }
    await this.#actions.replace(next)
    return { ...next, differs }
  }

  /** In place of that of the result before; a stage that said nothing has none. */
  #keepLog(attempt: Attempt): void {
    const log = this.#layout.log(attempt.key)
    if (existsSync(attempt.log)) {
      mkdirSync(dirname(log), { recursive: true })
      renameSync(attempt.log, log)
    } else if (existsSync(log)) {
      rmSync(log, { force: true })
    }
  }
}

function newRecord(
  { key }: Attempt,
  { preimage, startedAt, durationMs, resourceUse, device }: CommitDetails,
  outputs: Readonly<Record<string, RecordedOutput>>,
): ActionRecord {
  return {
    schema: RECORD_SCHEMA,
    key,
    preimage,
    outputs,
    generation: 1,
    startedAt,
    createdAt: new Date().toISOString(),
    durationMs,
    ...(resourceUse === undefined ? {} : { resourceUse }),
    ...(device === undefined ? {} : { device }),
  }
}

function differingPorts(earlier: ActionRecord, outputs: Readonly<Record<string, RecordedOutput>>): string[] {
  return Object.keys(outputs).filter((port) => earlier.outputs[port]?.hash !== outputs[port]?.hash)
}
