/** @file Damaged files are set aside, not deleted: someone may want to see what happened to them. */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'

const MAX_KEPT = 20

export class Quarantine {
  readonly #layout: Layout
  readonly #owner: Owner

  constructor(layout: Layout, owner: Owner) {
    this.#layout = layout
    this.#owner = owner
  }

  /** Moves a file or folder away. Harmless where another process was faster. */
  async take(path: string): Promise<void> {
    await mkdir(this.#layout.quarantine, { recursive: true })
    try {
      await rename(path, join(this.#layout.quarantine, `${basename(path)}.${this.#owner.freshName()}`))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
    await keepLatest(this.#layout.quarantine, MAX_KEPT)
  }
}

/** Deletes all but the `count` entries of a folder that changed last. */
export async function keepLatest(folder: string, count: number): Promise<void> {
  const names = await readdir(folder)
  if (names.length <= count) return
  const aged = await Promise.all(
    names.map(async (name) => ({
      name,
      changedMs: (await stat(join(folder, name)).catch(() => undefined))?.ctimeMs ?? 0,
    })),
  )
  aged.sort((a, b) => b.changedMs - a.changedMs)
  for (const { name } of aged.slice(count)) await rm(join(folder, name), { recursive: true, force: true })
}
