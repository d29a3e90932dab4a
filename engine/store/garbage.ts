/** @file What may go: marked from pins, recent runs, ages and what runs now. Nothing is changed here. */
import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CacheKey, ContentHash } from '../identity.ts'
import { blobsOfRecord, fannedFiles, namesIn, sizeOf, storedResults } from './inventory.ts'
import type { Layout } from './layout.ts'
import { lastUses, type RunUse } from './run-use.ts'
import { measureFolder, measureUsage } from './usage.ts'

export interface CollectPolicy {
  /** What is neither of a recent run nor young goes. Absent: nothing goes but for the size. */
  readonly retention?: {
    /** The latest so many runs of each workflow keep their results. */
    readonly keepRuns: number
    /** What was used since then stays, too. */
    readonly olderThanMs: number
  }
  /** Then the least recently used go, until everything in `.flow` is no larger than this. */
  readonly maxBytes?: number
}

/** What the marking begins from. */
export interface Roots {
  readonly pinned: ReadonlySet<CacheKey>
  /** Of running nodes and runs. */
  readonly live: ReadonlySet<CacheKey>
  /** Of the kept runs, latest first. */
  readonly uses: readonly RunUse[]
}

export interface Collectable {
  readonly kind: 'result' | 'checkpoint' | 'failure' | 'quarantine'
  /** Key of a result or a checkpoint, else the name of its folder. */
  readonly name: string
  /** Of a result. */
  readonly stage?: string
  /** Milliseconds since the epoch. */
  readonly usedMs: number
  /** What its going frees; of bytes that several share, the last to go has them. */
  readonly sizeBytes: number
}

export interface Garbage {
  /** The first to go first. */
  readonly items: readonly Collectable[]
  /** Blobs that no record names once these are gone, and the views made of them. */
  readonly blobs: readonly ContentHash[]
  readonly views: readonly string[]
  /** All that goes. */
  readonly sizeBytes: number
  /** Of `.flow` before. */
  readonly totalBytes: number
}

/** A thing that may go, before it is known what it shares with others. */
interface Candidate extends Omit<Collectable, 'sizeBytes'> {
  readonly ownBytes: number
  readonly blobs: ReadonlySet<ContentHash>
  readonly views: readonly ContentHash[]
  /** Not even for the size. */
  readonly fixed: boolean
  readonly recent: boolean
}

export function findGarbage(layout: Layout, roots: Roots, policy: CollectPolicy): Garbage {
  const totalBytes = measureUsage(layout).total.sizeBytes
  const candidates = [...resultCandidates(layout, roots, policy), ...otherCandidates(layout, roots, policy)]
  candidates.sort((a, b) => a.usedMs - b.usedMs || (a.name < b.name ? -1 : 1))
  const tally = new Tally(layout, candidates)
  const items: Collectable[] = []
  let freedBytes = tally.orphanBytes
  const take = ({ kind, name, stage, usedMs, ...candidate }: Candidate) => {
    const sizeBytes = candidate.ownBytes + tally.release(candidate)
    freedBytes += sizeBytes
    items.push({ kind, name, ...(stage === undefined ? {} : { stage }), usedMs, sizeBytes })
  }
  const kept = candidates.filter((candidate) => {
    const goes = policy.retention !== undefined && !candidate.fixed && !candidate.recent
    if (goes) take(candidate)
    return !goes
  })
  for (const candidate of kept) {
    if (policy.maxBytes === undefined || totalBytes - freedBytes <= policy.maxBytes) break
    if (!candidate.fixed) take(candidate)
  }
  return { items, blobs: tally.blobs, views: tally.views, sizeBytes: freedBytes, totalBytes }
}

function resultCandidates(layout: Layout, roots: Roots, { retention }: CollectPolicy): Candidate[] {
  const last = lastUses(roots.uses)
  const recentRuns = keysOfRecentRuns(roots.uses, retention?.keepRuns ?? 0)
  const sinceMs = Date.now() - (retention?.olderThanMs ?? 0)
  return [...storedResults(layout)].map(({ key, record, ownBytes }): Candidate => {
    const usedMs = Math.max(Date.parse(record.createdAt) || 0, last.get(key) ?? 0)
    return {
      kind: 'result',
      name: key,
      stage: record.preimage.stage,
      usedMs,
      ownBytes,
      blobs: blobsOfRecord(layout, record),
      views: Object.values(record.outputs).flatMap(({ kind, hash }) => (kind === 'folder' ? [hash] : [])),
      fixed: roots.pinned.has(key) || roots.live.has(key),
      recent: recentRuns.has(key) || usedMs >= sinceMs,
    }
  })
}

function otherCandidates(layout: Layout, roots: Roots, { retention }: CollectPolicy): Candidate[] {
  const recentRuns = keysOfRecentRuns(roots.uses, retention?.keepRuns ?? 0)
  const sinceMs = Date.now() - (retention?.olderThanMs ?? 0)
  const folders = [
    ['checkpoint', layout.checkpoints],
    ['failure', layout.failures],
    ['quarantine', layout.quarantine],
  ] as const
  return folders.flatMap(([kind, folder]) =>
    namesIn(folder).map((name): Candidate => {
      const path = join(folder, name)
      const usedMs = lstatSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
      const key = name as CacheKey
      const isCheckpoint = kind === 'checkpoint'
      return {
        kind,
        name,
        usedMs,
        ownBytes: measureFolder(path).sizeBytes,
        blobs: new Set(),
        views: [],
        fixed: isCheckpoint && roots.live.has(key),
        recent: usedMs >= sinceMs || (isCheckpoint && recentRuns.has(key)),
      }
    }),
  )
}

function keysOfRecentRuns(uses: readonly RunUse[], count: number): Set<CacheKey> {
  const runs = new Map<string, number>()
  const keys = new Set<CacheKey>()
  for (const use of uses) {
    const seen = runs.get(use.file) ?? 0
    if (seen >= count) continue
    runs.set(use.file, seen + 1)
    for (const key of use.keys.values()) keys.add(key)
  }
  return keys
}

/** Counts by how many results each blob and each view is held. */
class Tally {
  readonly blobs: ContentHash[] = []
  readonly views: string[] = []
  /** Of blobs and views that no record names to begin with. */
  orphanBytes = 0
  readonly #layout: Layout
  readonly #holders = new Map<string, number>()

  constructor(layout: Layout, candidates: readonly Candidate[]) {
    this.#layout = layout
    for (const { blobs, views } of candidates) {
      for (const hash of blobs) this.#hold(hash)
      for (const hash of views) this.#hold(`view ${hash}`)
    }
    for (const { path, digest } of fannedFiles(layout.blobs)) {
      if (digest === undefined || this.#holders.has(digest)) continue
      this.blobs.push(digest as ContentHash)
      this.orphanBytes += sizeOf(path)
    }
    for (const name of namesIn(layout.views)) {
      if (this.#holders.has(`view ${name}`)) continue
      this.orphanBytes += this.#takeView(name)
    }
  }

  /** Bytes that nobody holds any more. */
  release({ blobs, views }: Pick<Candidate, 'blobs' | 'views'>): number {
    let bytes = 0
    for (const hash of blobs) {
      if (!this.#drop(hash)) continue
      const path = this.#layout.blob(hash)
      if (!existsSync(path)) continue
      this.blobs.push(hash)
      bytes += sizeOf(path)
    }
    for (const hash of views) if (this.#drop(`view ${hash}`)) bytes += this.#takeView(hash)
    return bytes
  }

  #hold(what: string): void {
    this.#holders.set(what, (this.#holders.get(what) ?? 0) + 1)
  }

  /** Whether this was the last to hold it. */
  #drop(what: string): boolean {
    const left = (this.#holders.get(what) ?? 0) - 1
    this.#holders.set(what, left)
    return left === 0
  }

  /** Its own bytes: what it links to is counted as blobs. */
  #takeView(name: string): number {
    const view = this.#layout.view(name as ContentHash)
    if (!existsSync(view)) return 0
    this.views.push(name)
    return readdirSync(view, { recursive: true, withFileTypes: true }).reduce((sum, entry) => {
      const stats = lstatSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })
      return stats?.isFile() && stats.nlink === 1 ? sum + stats.size : sum
    }, 0)
  }
}
