/**
 * @file Empty folders of this process, used again and again. To make and remove one for each attempt is what a file
 * system is slowest at: ext4, for one, passes over everything that was removed in the last seconds whenever it makes
 * something new.
 */
import { mkdirSync, readdirSync, renameSync, rmdirSync } from 'node:fs'
import { forgiveSystemError } from '../stage/machine-failure.ts'
import type { Owner } from './owner.ts'

/** More than a run has attempts at once are of no use to it. */
const most = 32

export class EmptyFolders {
  readonly #owner: Owner
  readonly #spare: string[] = []

  constructor(owner: Owner) {
    this.#owner = owner
  }

  /** There is an empty folder at `path` afterwards, where there was nothing. */
  make(path: string): void {
    const spare = this.#spare.pop()
    if (spare === undefined) mkdirSync(path)
    else renameSync(spare, path)
  }

  /** Of what `make` has made; nobody writes there any more. Throws `ENOTEMPTY` where it holds something. */
  async remove(path: string): Promise<void> {
    if (this.#spare.length >= most || readdirSync(path).length > 0) return rmdirSync(path)
    const spare = await this.#owner.temporary()
    renameSync(path, spare)
    this.#spare.push(spare)
  }

  /** Removes the spare ones; what cannot be removed is left to the next sweep. */
  clear(): void {
    try {
      for (const spare of this.#spare.splice(0)) rmdirSync(spare)
    } catch (error) {
      forgiveSystemError(error)
    }
  }
}
