/**
 * @file Where everything lies under `.flow/`.
 *
 *     layout.json              version of this very arrangement
 *     stat-cache               content hashes of unchanged files
 *     blobs/ab/<hash>          bytes by their sha256, read-only; folders as their listing
 *     actions/ab/<key>.json    action records: written last, they say that a key is done
 *     logs/ab/<key>.log        what the stage said while it made the record's outputs
 *     views/<hash>/            folders built from blobs for stages to read
 *     attempts/<owner>-<id>/   private folders of stages that run now
 *     leases/<key>             who computes a key now
 *     checkpoints/<key>/       in-stage checkpoints, which outlive a crash
 *     failures/<id>/           log and partial outputs of the latest failures
 *     quarantine/              what was found damaged
 *     ledger/<id>.json         what was written where outside the store
 *     last-runs/<id>/          per workflow file and node, what its latest run was made of
 *     latest/<id>.json         per workflow file, what those runs came to at one glance; can be deleted at any time
 *     outlines/<hash>.json     digests of the rows or files of users' own values that keys were made of
 *     marks/ab/<id>            contents that passed a validator
 *     pins/<id>.json           results that stay, by the user's names for them
 *     readers/<owner>          who may be using values now
 *     owners/ locks/ tmp/      who is alive, who holds what, files not yet in place
 */
import { join, sep } from 'node:path'
import { sha256 } from '../fingerprint/hash.ts'
import type { CacheKey, ContentHash } from '../identity.ts'

export const LAYOUT_VERSION = 1

export class Layout {
  /** Absolute path of `.flow`. */
  readonly root: string
  readonly version: string
  readonly statCache: string
  readonly blobs: string
  readonly actions: string
  readonly logs: string
  readonly views: string
  readonly attempts: string
  readonly leases: string
  readonly checkpoints: string
  readonly failures: string
  readonly quarantine: string
  readonly ledger: string
  readonly lastRuns: string
  readonly latest: string
  readonly outlines: string
  readonly marks: string
  readonly pins: string
  readonly readers: string
  readonly owners: string
  readonly locks: string
  readonly tmp: string
  readonly #lastRunFolders = new Map<string, string>()

  constructor(root: string) {
    this.root = root
    this.version = join(root, 'layout.json')
    this.statCache = join(root, 'stat-cache')
    this.blobs = join(root, 'blobs')
    this.actions = join(root, 'actions')
    this.logs = join(root, 'logs')
    this.views = join(root, 'views')
    this.attempts = join(root, 'attempts')
    this.leases = join(root, 'leases')
    this.checkpoints = join(root, 'checkpoints')
    this.failures = join(root, 'failures')
    this.quarantine = join(root, 'quarantine')
    this.ledger = join(root, 'ledger')
    this.lastRuns = join(root, 'last-runs')
    this.latest = join(root, 'latest')
    this.outlines = join(root, 'outlines')
    this.marks = join(root, 'marks')
    this.pins = join(root, 'pins')
    this.readers = join(root, 'readers')
    this.owners = join(root, 'owners')
    this.locks = join(root, 'locks')
    this.tmp = join(root, 'tmp')
  }

  /** All folders, to be made when a store is opened. */
  get folders(): readonly string[] {
    return [
      ...[this.blobs, this.actions, this.logs, this.views, this.attempts, this.leases, this.checkpoints],
      ...[this.failures, this.quarantine, this.ledger, this.lastRuns, this.outlines, this.marks, this.pins],
      ...[this.readers, this.owners, this.locks, this.tmp],
    ]
  }

  /** Put together by hand, as is that of an action: an idle run asks for thousands, and `join` parses each anew. */
  blob(hash: ContentHash): string {
    return this.blobs + sep + hash.slice(0, 2) + sep + hash
  }

  action(key: CacheKey): string {
    return `${this.actions + sep + key.slice(0, 2) + sep + key}.json`
  }

  log(key: CacheKey): string {
    return join(this.logs, key.slice(0, 2), `${key}.log`)
  }

  view(tree: ContentHash): string {
    return join(this.views, tree)
  }

  lease(key: CacheKey): string {
    return join(this.leases, key)
  }

  /** File that says which process an owner is. */
  owner(id: string): string {
    return join(this.owners, `${id}.json`)
  }

  ownerBeat(id: string): string {
    return join(this.owners, `${id}.beat`)
  }

  /** What its locks are further names of. */
  ownerLock(id: string): string {
    return join(this.owners, `${id}.lock`)
  }

  /** What an observer saw of the owner's heartbeat. */
  ownerNote(id: string, observer: string): string {
    return join(this.owners, `${id}.seen-${sha256(observer).slice(0, 8)}`)
  }

  checkpoint(key: CacheKey): string {
    return join(this.checkpoints, key)
  }

  lock(name: string): string {
    return join(this.locks, name)
  }

  /** `destination` as the ledger names it. */
  ledgerId(destination: string): string {
    return sha256(destination)
  }

  ledgerEntry(destination: string): string {
    return join(this.ledger, `${this.ledgerId(destination)}.json`)
  }

  lastRun(workflowFile: string, node: string): string {
    let folder = this.#lastRunFolders.get(workflowFile)
    if (folder === undefined) {
      folder = join(this.lastRuns, sha256(workflowFile).slice(0, 16)) + sep
      this.#lastRunFolders.set(workflowFile, folder)
    }
    return `${folder + sha256(node).slice(0, 32)}.json`
  }

  latestResults(workflowFile: string): string {
    return join(this.latest, `${sha256(workflowFile).slice(0, 16)}.json`)
  }

  outline(hash: ContentHash): string {
    return join(this.outlines, `${hash}.json`)
  }

  /** `name` may hold anything. */
  pin(name: string): string {
    return join(this.pins, `${sha256(name)}.json`)
  }

  mark(id: string): string {
    return join(this.marks, id.slice(0, 2), id)
  }
}
