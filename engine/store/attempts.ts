/** @file Private folders in which stages write, and what becomes of them when a stage fails. */
import { renameSync, writeFileSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CacheKey } from '../identity.ts'
import type { StageFailureDetails } from '../stage/failure.ts'
import type { Checkpoints } from './checkpoints.ts'
import { EmptyFolders } from './empty-folders.ts'
import type { Layout } from './layout.ts'
import type { Leases } from './leases.ts'
import type { Owner } from './owner.ts'
import { keepLatest } from './quarantine.ts'

const MAX_FAILURES_KEPT = 20

export interface Attempt {
  readonly id: string
  readonly key: CacheKey
  /** Number of the result that it is to make. */
  readonly generation: number
  /** Absolute. Deleted when the attempt ends. */
  readonly folder: string
  /** Folder of in-stage checkpoints: outlives a crash, belongs to the key; made when the stage asks for it. */
  readonly checkpoint: string
  /** File for what the stage says; made when it says something. */
  readonly log: string
  /** Where the stage must create the value of an output port; its parent exists and is empty. */
  outputPath(port: string): string
  /** The parents of its outputs. */
  readonly outputFolders: readonly string[]
}

export interface KeptFailure {
  readonly folder: string
  readonly log: string
}

export class Attempts {
  readonly #layout: Layout
  readonly #owner: Owner
  readonly #leases: Leases
  readonly #checkpoints: Checkpoints
  readonly #emptyFolders: EmptyFolders

  constructor(layout: Layout, owner: Owner, leases: Leases, checkpoints: Checkpoints) {
    this.#layout = layout
    this.#owner = owner
    this.#leases = leases
    this.#checkpoints = checkpoints
    this.#emptyFolders = new EmptyFolders(owner)
  }

  /** The key's lease is held, and goes with the attempt. */
  async begin(key: CacheKey, generation: number): Promise<Attempt> {
    const id = this.#owner.freshName()
    const folder = join(this.#layout.attempts, id)
    this.#emptyFolders.make(folder)
    const parents = new Map<string, string>()
    const emptyFolders = this.#emptyFolders
    const checkpoint = await this.#checkpoints.claim(key, generation)
    return {
      id,
      key,
      generation,
      folder,
      checkpoint,
      log: join(folder, 'log'),
      get outputFolders() {
        return [...parents.values()]
      },
      outputPath(port) {
        let parent = parents.get(port)
        if (parent === undefined) {
          parent = join(folder, `output-${encodeURIComponent(port)}`)
          emptyFolders.make(parent)
          parents.set(port, parent)
        }
        return join(parent, 'value')
      },
    }
  }

  /** Keeps log and partial outputs for the user to look at, out of reach of reuse. */
  async keepFailure(attempt: Attempt, failure: StageFailureDetails): Promise<KeptFailure> {
    writeFileSync(
      join(attempt.folder, 'failure.json'),
      `${JSON.stringify({ key: attempt.key, ...failure }, null, 2)}\n`,
    )
    const folder = join(this.#layout.failures, attempt.id)
    renameSync(attempt.folder, folder)
    await this.#end(attempt)
    await keepLatest(this.#layout.failures, MAX_FAILURES_KEPT)
    return { folder, log: join(folder, 'log') }
  }

  /** Leaves nothing but the checkpoint. */
  async discard(attempt: Attempt): Promise<void> {
    await rm(attempt.folder, { recursive: true, force: true })
    await this.#end(attempt)
  }

  /** After a commit: the checkpoint has served. */
  async finish(attempt: Attempt): Promise<void> {
    await this.#removeEmptied(attempt)
    if (this.#leases.isHeld(attempt.key)) await this.#checkpoints.dropAll(attempt.key)
    else await this.#checkpoints.drop(attempt.checkpoint)
    this.#leases.release(attempt.key)
  }

  /** Removes what is kept for attempts to come. */
  clear(): void {
    this.#emptyFolders.clear()
  }

  /** Its outputs are gone from it: most often only folders are left. */
  async #removeEmptied({ folder, outputFolders }: Attempt): Promise<void> {
    try {
      for (const empty of [...outputFolders, folder]) await this.#emptyFolders.remove(empty)
    } catch {
      await rm(folder, { recursive: true, force: true })
    }
  }

  async #end({ key, generation, checkpoint }: Attempt): Promise<void> {
    await this.#checkpoints.giveBack(checkpoint, generation, this.#leases.isHeld(key))
    this.#leases.release(key)
  }

  /** Ids of all attempts there are, of any process. */
  list(): Promise<string[]> {
    return readdir(this.#layout.attempts)
  }
}
