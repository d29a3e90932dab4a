/**
 * @file In-stage checkpoints. They lie under the key, so that the next attempt at the same key resumes, whoever makes
 * it; and under the generation that the attempt is to make, so that `--refresh` never resumes from the last steps of
 * the result that it is to replace.
 */
import { readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CacheKey } from '../identity.ts'
import type { Layout } from './layout.ts'
import { tryLock, unlock } from './lock.ts'
import type { Owner } from './owner.ts'

export class Checkpoints {
  readonly #layout: Layout
  readonly #owner: Owner

  constructor(layout: Layout, owner: Owner) {
    this.#layout = layout
    this.#owner = owner
  }

  /** The key's checkpoint folder, not yet made; `undefined` while another living attempt writes in it. */
  async claim(key: CacheKey, generation: number): Promise<string | undefined> {
    if (!(await tryLock(this.#layout, this.#owner, this.#lock(key)))) return undefined
    const folder = this.#layout.checkpoint(key)
    const current = String(generation)
    for (const name of await readdir(folder).catch(() => [])) {
      if (name !== current) await rm(join(folder, name), { recursive: true, force: true })
    }
    return join(folder, current)
  }

  async release(key: CacheKey, checkpoint: string): Promise<void> {
    if (this.#isClaimed(key, checkpoint)) await unlock(this.#lock(key))
  }

  async remove(key: CacheKey, checkpoint: string): Promise<void> {
    if (!this.#isClaimed(key, checkpoint)) return
    await rm(this.#layout.checkpoint(key), { recursive: true, force: true })
    await unlock(this.#lock(key))
  }

  #isClaimed(key: CacheKey, checkpoint: string): boolean {
    return dirname(checkpoint) === this.#layout.checkpoint(key)
  }

  #lock(key: CacheKey): string {
    return this.#layout.lock(`checkpoint-${key}`)
  }
}
