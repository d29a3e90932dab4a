/** @file Private folders in which stages write, and what becomes of them when a stage fails. */
import { mkdirSync } from 'node:fs'
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { CacheKey } from '../identity.ts'
import type { StageFailureDetails } from '../stage/failure.ts'
import type { Checkpoints } from './checkpoints.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import { keepLatest } from './quarantine.ts'

const MAX_FAILURES_KEPT = 20

export interface Attempt {
  readonly id: string
  readonly key: CacheKey
  /** Absolute. Deleted when the attempt ends. */
  readonly folder: string
  /** Folder of in-stage checkpoints: outlives a crash, belongs to the key. */
  readonly checkpoint: string
  /** File for what the stage says. */
  readonly log: string
  /** Where the stage must create the value of an output port; its parent exists and is empty. */
  outputPath(port: string): string
}

export interface KeptFailure {
  readonly folder: string
  readonly log: string
}

export class Attempts {
  readonly #layout: Layout
  readonly #owner: Owner
  readonly #checkpoints: Checkpoints

  constructor(layout: Layout, owner: Owner, checkpoints: Checkpoints) {
    this.#layout = layout
    this.#owner = owner
    this.#checkpoints = checkpoints
  }

  async begin(key: CacheKey, generation: number): Promise<Attempt> {
    await this.#owner.register()
    const id = this.#owner.freshName()
    const folder = join(this.#layout.attempts, id)
    await mkdir(folder)
    const log = join(folder, 'log')
    await writeFile(log, '')
    const checkpoint = (await this.#checkpoints.claim(key, generation)) ?? join(folder, 'checkpoint')
    await mkdir(checkpoint, { recursive: true })
    return {
      id,
      key,
      folder,
      checkpoint,
      log,
      outputPath(port) {
        const parent = join(folder, 'outputs', encodeURIComponent(port))
        mkdirSync(parent, { recursive: true })
        return join(parent, 'value')
      },
    }
  }

  /** Keeps log and partial outputs for the user to look at, out of reach of reuse. */
  async keepFailure(attempt: Attempt, failure: StageFailureDetails): Promise<KeptFailure> {
    await writeFile(
      join(attempt.folder, 'failure.json'),
      `${JSON.stringify({ key: attempt.key, ...failure }, null, 2)}\n`,
    )
    const folder = join(this.#layout.failures, attempt.id)
    await rename(attempt.folder, folder)
    await this.#checkpoints.release(attempt.key, attempt.checkpoint)
    await keepLatest(this.#layout.failures, MAX_FAILURES_KEPT)
    return { folder, log: join(folder, 'log') }
  }

  /** Leaves nothing but the checkpoint. */
  async discard(attempt: Attempt): Promise<void> {
    await rm(attempt.folder, { recursive: true, force: true })
    await this.#checkpoints.release(attempt.key, attempt.checkpoint)
  }

  /** After a commit: the checkpoint has served. */
  async finish(attempt: Attempt): Promise<void> {
    await rm(attempt.folder, { recursive: true, force: true })
    await this.#checkpoints.remove(attempt.key, attempt.checkpoint)
  }

  /** Ids of all attempts there are, of any process. */
  list(): Promise<string[]> {
    return readdir(this.#layout.attempts)
  }
}
