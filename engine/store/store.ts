/**
 * @file The store: everything the engine keeps between runs. A thin front: each promise is kept in the file of its
 * own concept.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { Diagnostic } from '../diagnostic.ts'
import type { Outline } from '../fingerprint/outline.ts'
import { type FileHash, StatCache, type StatCacheOptions } from '../fingerprint/stat-cache.ts'
import { hashValue, type ValueKind } from '../fingerprint/value.ts'
import type { CacheKey, ContentHash } from '../identity.ts'
import type { Progress } from '../stage/define.ts'
import { StageFailure, type StageFailureDetails } from '../stage/failure.ts'
import { Actions } from './actions.ts'
import { writeAtomically } from './atomic-write.ts'
import { type Attempt, Attempts, type KeptFailure } from './attempts.ts'
import { Blobs } from './blobs.ts'
import { Checkpoints } from './checkpoints.ts'
import { type CommitDetails, Commits, type CommittedRecord } from './commits.ts'
import { Destinations, type Materialised } from './destinations.ts'
import { storedRecords } from './inventory.ts'
import { type LastRun, LastRuns } from './last-runs.ts'
import { type FoundRecord, LatestResults, type NodePlace, type ReusableRecord } from './latest-results.ts'
import { LAYOUT_VERSION, Layout } from './layout.ts'
import { Leases, type LeaseWait } from './leases.ts'
import { Ledger } from './ledger.ts'
import { type LookupResult, Lookups } from './lookups.ts'
import { ValidationMarks } from './marks.ts'
import { Outlines } from './outlines.ts'
import { Owner } from './owner.ts'
import { Pins } from './pins.ts'
import { Quarantine } from './quarantine.ts'
import { enter, leave } from './readers.ts'
import type { ActionRecord } from './record.ts'
import { readSealed, seal } from './sealed-json.ts'
import type { SharedResults, Taking } from './shared/shared-results.ts'
import { sweep } from './sweep.ts'
import { Trees } from './trees.ts'
import { Views } from './views.ts'

export type { Attempt, KeptFailure } from './attempts.ts'
export type { CommitDetails, CommittedRecord } from './commits.ts'
export type { Materialised } from './destinations.ts'
export type { LastRun } from './last-runs.ts'
export type { FoundRecord, NodePlace, ReusableRecord } from './latest-results.ts'
export type { LeaseHolder, LeaseWait } from './leases.ts'
export type { LookupResult } from './lookups.ts'
export type { ActionRecord, RecordedOutput } from './record.ts'
export type { Taking } from './shared/shared-results.ts'

export type Recheck = { readonly whole: true } | { readonly whole: false; readonly reason: string }

/** What the commands that look after a store work with. */
export interface StoreParts {
  readonly layout: Layout
  readonly owner: Owner
  readonly quarantine: Quarantine
  readonly blobs: Blobs
  readonly actions: Actions
  readonly lookups: Lookups
}

export interface StoreOptions extends StatCacheOptions {
  /** Where results are looked for that this store has not. */
  readonly shared?: SharedResults | undefined
}

export class Store {
  /** Absolute path of the project: the parent of `.flow`. */
  readonly project: string
  readonly statCache: StatCache
  readonly layout: Layout
  readonly parts: StoreParts
  readonly pins: Pins
  readonly #owner: Owner
  readonly #shared: SharedResults | undefined
  readonly #trees: Trees
  readonly #views: Views
  readonly #leases: Leases
  readonly #attempts: Attempts
  readonly #actions: Actions
  readonly #lookups: Lookups
  readonly #commits: Commits
  readonly #destinations: Destinations
  readonly #marks: ValidationMarks
  readonly #latest: LatestResults
  readonly #lastRuns: LastRuns
  readonly #outlines: Outlines
  readonly #blobs: Blobs

  private constructor(layout: Layout, owner: Owner, options: StoreOptions) {
    this.layout = layout
    this.project = dirname(layout.root)
    this.#owner = owner
    this.#shared = options.shared
    this.statCache = new StatCache(layout.statCache, options)
    const quarantine = new Quarantine(layout, owner)
    this.pins = new Pins(layout, owner)
    this.#blobs = new Blobs(layout, this.statCache, owner, quarantine)
    this.#trees = new Trees(this.#blobs)
    this.#views = new Views(layout, this.statCache, owner, this.#blobs, this.#trees)
    const actions = new Actions(layout, owner, quarantine)
    this.#actions = actions
    this.#latest = new LatestResults(layout, owner)
    this.#lookups = new Lookups(actions, this.#trees, this.#latest)
    this.parts = { layout, owner, quarantine, blobs: this.#blobs, actions, lookups: this.#lookups }
    this.#leases = new Leases(layout, owner)
    this.#attempts = new Attempts(layout, owner, this.#leases, new Checkpoints(layout, owner))
    this.#commits = new Commits(
      layout,
      owner,
      this.#blobs,
      this.#trees,
      actions,
      this.#lookups,
      this.#attempts,
    )
    const ledger = new Ledger(layout, owner, this.project)
    this.#destinations = new Destinations(this.statCache, owner, this.#blobs, this.#trees, ledger)
    this.#marks = new ValidationMarks(layout)
    this.#lastRuns = new LastRuns(layout, owner, this.#latest)
    this.#outlines = new Outlines(layout, owner, this.statCache)
  }

  /**
   * Opens the store in `flowFolder` (`<project>/.flow`), made where it is missing, and removes what dead processes left.
   * Throws a `StageFailure` (`store-version`) for a store of another layout.
   */
  static async open(flowFolder: string, options: StoreOptions = {}): Promise<Store> {
    const layout = new Layout(resolve(flowFolder))
    for (const folder of layout.folders) if (!existsSync(folder)) mkdirSync(folder, { recursive: true })
    const owner = new Owner(layout)
    await enter(layout, owner)
    await checkVersion(layout, owner)
    await sweep(layout, owner)
    return new Store(layout, owner, options)
  }

  /** Of a user's own file (absolute path), where it is known without reading it. */
  peekFile(path: string): ContentHash | undefined {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
    return stats?.isFile() === true ? this.statCache.peek(stats) : undefined
  }

  /** Of a user's own file or folder; a relative path is taken from the project. Throws a `StageFailure`. */
  hashValue(path: string, kind: ValueKind): Promise<FileHash> {
    return hashValue(resolve(this.project, path), kind, this.statCache)
  }

  /** As `lookup` of a key that was this node's latest, where it is known at once to be as it was; otherwise nothing. */
  peek(place: NodePlace, key: CacheKey): ReusableRecord | undefined {
    return this.#lookups.peek(place, key)
  }

  /** The record of `key` if every byte that it names is whole; otherwise why not, and what is damaged is quarantined. */
  async lookup(key: CacheKey, taking: Taking = {}): Promise<LookupResult> {
    const found = await this.#lookups.lookup(key)
    if (found.record !== undefined || this.#shared === undefined) return found
    const record = await this.#shared.find(this.parts, key, taking)
    return record === undefined ? found : { record, origin: this.#shared.origin }
  }

  /** Writes a committed result to the shared cache, where there is one that is to be written. */
  share(key: CacheKey): void {
    this.#shared?.share(this.parts, key)
  }

  /** Every record, in no particular order, whether or not its blobs are whole. */
  records(): Iterable<ActionRecord> {
    return storedRecords(this.layout)
  }

  /** The record of `key`, whether or not its blobs are whole. */
  async record(key: CacheKey): Promise<ActionRecord | undefined> {
    const read = await this.#actions.read(key)
    return read.state === 'found' ? read.record : undefined
  }

  /**
   * A private folder for a stage to write in, and the lease on the key. End it by `commit`, `abandon` or `discard`.
   * `undefined` while another attempt at the key lives, in this process or elsewhere.
   */
  async tryBegin(key: CacheKey): Promise<Attempt | undefined> {
    if (!(await this.#leases.take(key))) return undefined
    try {
      return await this.#attempts.begin(key, await this.#commits.nextGeneration(key))
    } catch (error) {
      this.#leases.release(key)
      throw error
    }
  }

  /** As `tryBegin`, once all other attempts at the key have ended. */
  async begin(key: CacheKey, wait: LeaseWait = {}): Promise<Attempt> {
    for (;;) {
      const attempt = await this.tryBegin(key)
      if (attempt !== undefined) return attempt
      await this.whenFree(key, wait)
    }
  }

  /** Resolves when no living attempt at the key is left. */
  whenFree(key: CacheKey, wait: LeaseWait = {}): Promise<void> {
    return this.#leases.whenFree(key, wait)
  }

  /** Whether the attempt still has its key's lease: a process that was suspended may have lost it to another. */
  isCurrent(attempt: Attempt): boolean {
    return this.#leases.isHeld(attempt.key)
  }

  /** How far the attempt has come, for those who wait for it. */
  report(attempt: Attempt, progress: Progress): void {
    this.#leases.report(attempt.key, progress)
  }

  /** Keys at which attempts live now, in whichever process: garbage collection must not touch what is theirs. */
  liveKeys(): Promise<ReadonlySet<CacheKey>> {
    return this.#leases.liveKeys()
  }

  /**
   * Takes the outputs, which have been validated, into the store; the record is written last. An earlier whole record of
   * the key stays unless `refresh` is set; either way `differs` names the ports whose bytes differ from it.
   * Throws a `StageFailure` where an output is missing, of the wrong kind or not hashable; then `abandon` the attempt.
   */
  async commit(attempt: Attempt, details: CommitDetails): Promise<CommittedRecord> {
    const record = await this.#commits.commit(attempt, details)
    for (const { kind, hash } of Object.values(record.outputs)) {
      if (kind === 'folder') await this.#views.removeAltered(hash)
    }
    return record
  }

  /**
   * Resolves once all that was committed outlives a power cut (a commit itself waits for its bytes, not for the name of
   * its record), and nothing is left of its attempts. Throws what the system says where that cannot be had.
   */
  async settled(): Promise<void> {
    this.#attempts.clear()
    await this.#actions.synced()
  }

  /** Keeps log and partial outputs of a failed attempt aside (a bounded number), never reusable. */
  abandon(attempt: Attempt, failure: StageFailureDetails): Promise<KeptFailure> {
    return this.#attempts.keepFailure(attempt, failure)
  }

  /** Ends an attempt that nobody needs to look at (cancelled): only its checkpoint stays. */
  discard(attempt: Attempt): Promise<void> {
    return this.#attempts.discard(attempt)
  }

  /** Absolute path at which a stage can read a value; read-only. Throws a `StageFailure` (`value-damaged`). */
  async valuePath(hash: ContentHash, kind: ValueKind): Promise<string> {
    await this.#demandWhole(hash, kind)
    return kind === 'file' ? this.#blobs.path(hash) : this.#views.of(hash)
  }

  /**
   * To be called after a stage has read `valuePath(hash, kind)`: whether it left the value as it was. What it damaged is
   * quarantined, so that the node that made it runs again; a view is rebuilt when next asked for.
   */
  async recheck(hash: ContentHash, kind: ValueKind): Promise<Recheck> {
    const [damage] = await this.#trees.check(hash, kind)
    if (damage !== undefined) return { whole: false, reason: damage }
    const reason = kind === 'folder' ? await this.#views.difference(hash) : undefined
    return reason === undefined ? { whole: true } : { whole: false, reason }
  }

  /**
   * Writes a value to a path of the user's (relative to the project, or absolute). A destination that already holds it is
   * left alone; one that holds what the engine did not write is a fault, and untouched.
   */
  async materialise(hash: ContentHash, kind: ValueKind, destination: string): Promise<Materialised> {
    await this.#demandWhole(hash, kind)
    return this.#destinations.materialise({ hash, kind }, resolve(this.project, destination))
  }

  /** The fault that materialising would meet; `wanted` is the value where it is known already. Writes nothing. */
  checkDestination(
    destination: string,
    wanted?: { readonly hash: ContentHash; readonly kind: ValueKind },
  ): Promise<Diagnostic | undefined> {
    return this.#destinations.check(resolve(this.project, destination), wanted)
  }

  /** The log of the stage that made the record of `key`; the file may not exist. */
  logPath(key: CacheKey): string {
    return this.layout.log(key)
  }

  /** What the latest run of a node was made of, done or failed. */
  async lastRun(place: NodePlace): Promise<LastRun | undefined> {
    return this.#lastRuns.read(place)
  }

  /** Whether the node's latest run had this key, where that is known without reading what is kept of it. */
  isLatestRun(place: NodePlace, key: CacheKey): boolean {
    return this.#lastRuns.isLatest(place, key)
  }

  /**
   * Whether the key is another one than that of the node's run before.
   * @param found where the result was reused: what `lookup` has found.
   */
  rememberRun(
    place: NodePlace,
    run: Pick<LastRun, 'key' | 'preimage'>,
    found?: FoundRecord,
  ): Promise<boolean> {
    return this.#lastRuns.remember(place, run, found)
  }

  /** What the value with this hash is or was made of, where that is still known. `path`: where it may lie, absolute. */
  outline(hash: ContentHash, path?: string): Promise<Outline | undefined> {
    return this.#outlines.find(hash, path)
  }

  /** So that a later reason can say where a user's own value at `path` (absolute) has changed. */
  rememberOutline(hash: ContentHash, path: string): Promise<void> {
    return this.#outlines.remember(hash, path)
  }

  isValidated(type: string, codeDigest: string, hash: ContentHash): boolean {
    return this.#marks.isValidated(type, codeDigest, hash)
  }

  async markValidated(type: string, codeDigest: string, hash: ContentHash): Promise<void> {
    this.#marks.markValidated(type, codeDigest, hash)
  }

  /** Writes the stat cache. Attempts that have not ended are left to the next sweep. */
  async close(): Promise<void> {
    await this.settled().catch(() => undefined)
    // A full disk costs the next run some hashing; it must not fail this one.
    await this.statCache.flush().catch(() => undefined)
    await this.#latest.flush().catch(() => undefined)
    await this.#outlines.trim().catch(() => undefined)
    leave(this.layout, this.#owner)
    await this.#owner.release()
  }

  async #demandWhole(hash: ContentHash, kind: ValueKind): Promise<void> {
    const [damage] = await this.#trees.check(hash, kind)
    if (damage === undefined) return
    throw new StageFailure({
      code: 'value-damaged',
      message: `a ${kind} in the store is no longer whole: ${damage}`,
      hint: 'run again: the node that made it will be rerun',
      retryable: true,
    })
  }
}

async function checkVersion(layout: Layout, owner: Owner): Promise<void> {
  const sealed = readSealed(layout.version)
  if (sealed.state === 'whole') {
    const { layout: version } = sealed.value as { readonly layout: number }
    if (version === LAYOUT_VERSION) return
    throw new StageFailure({
      code: 'store-version',
      message: `${layout.root} has store layout ${version}, and this version of Flow reads layout ${LAYOUT_VERSION}`,
      hint: `use the version of Flow that made it, or delete ${layout.root} to begin anew`,
    })
  }
  // Absent in a new store; damaged, its content is known all the same: no other layout exists under this seal.
  writeAtomically(layout.version, seal({ layout: LAYOUT_VERSION }), await owner.temporary())
}
