/**
 * @file In-stage checkpoints. They lie under the key, so that the next attempt at the same key resumes, whoever makes
 * it; and under the generation that the attempt is to make, so that `--refresh` never resumes from the last steps of
 * the result that it is to replace.
 *
 * An attempt writes in a folder that bears its own name, `<generation>-<name>`, which loses the name when the attempt
 * ends in order. One that still bears it was left by a holder that died or lost its lease, and its stage may write
 * there for a while yet: what it holds is copied, so that no two stages ever write to one file.
 */
import { constants, existsSync, readdirSync, renameSync, rmdirSync } from 'node:fs'
import { cp, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CacheKey } from '../identity.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'

/** A stage that lingers is told to stop within seconds, and writes a checkpoint once at most before it does. */
const MAX_COPIES = 20

export class Checkpoints {
  readonly #layout: Layout
  readonly #owner: Owner

  constructor(layout: Layout, owner: Owner) {
    this.#layout = layout
    this.#owner = owner
  }

  /**
   * Where the key's latest checkpoint lies now, if it has any. Otherwise there is no folder: most stages write none.
   * The caller holds the key's lease.
   */
  async claim(key: CacheKey, generation: number): Promise<string> {
    const folder = this.#layout.checkpoint(key)
    const claimed = join(folder, `${generation}-${this.#owner.freshName()}`)
    let found = false
    // One that was given back comes before those that were left: its name is their prefix.
    for (const name of namesIn(folder).sort()) {
      const path = join(folder, name)
      const isOfGeneration = name === `${generation}` || name.startsWith(`${generation}-`)
      if (isOfGeneration && !found) {
        await takeOver(path, claimed, name === `${generation}`)
        found = true
      }
      await rm(path, { recursive: true, force: true }).catch(() => undefined)
    }
    return claimed
  }

  /** Leaves the checkpoint to the next attempt; one that lost its lease has nothing to leave. */
  async giveBack(checkpoint: string, generation: number, leaseHeld: boolean): Promise<void> {
    if (!leaseHeld) return await this.drop(checkpoint)
    const folder = dirname(checkpoint)
    try {
      // Neither call removes a folder that holds something.
      if (existsSync(checkpoint)) rmdirSync(checkpoint)
      if (existsSync(folder)) rmdirSync(folder)
    } catch {
      await rename(checkpoint, join(folder, `${generation}`)).catch(() => undefined)
    }
  }

  /** Removes an attempt's own checkpoint. */
  async drop(checkpoint: string): Promise<void> {
    await rm(checkpoint, { recursive: true, force: true })
  }

  /** Removes all of the key's. */
  async dropAll(key: CacheKey): Promise<void> {
    const folder = this.#layout.checkpoint(key)
    if (existsSync(folder)) await rm(folder, { recursive: true, force: true })
  }
}

function namesIn(folder: string): string[] {
  if (!existsSync(folder)) return []
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

async function takeOver(path: string, claimed: string, givenBack: boolean): Promise<void> {
  if (givenBack) return renameSync(path, claimed)
  for (let copies = 0; copies < MAX_COPIES; copies++) {
    try {
      const before = await stateOf(path)
      await cp(path, claimed, { recursive: true, mode: constants.COPYFILE_FICLONE, preserveTimestamps: true })
      if ((await stateOf(path)) === before) return
    } catch {
      // A file went away while it was copied.
    }
    await rm(claimed, { recursive: true, force: true })
  }
  // Most likely the disk is full. Better one that a stage might yet write to than none.
  await rename(path, claimed).catch(() => undefined)
}

/** Changes with every write below a folder. */
async function stateOf(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).sort()
  const states = names.map(async (name) => {
    const { ino, size, mtimeNs, ctimeNs } = await stat(join(folder, name), { bigint: true })
    return `${name} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
  })
  return (await Promise.all(states)).join('\n')
}
