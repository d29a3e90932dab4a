/** @file A shared cache in a folder, on a network file system for instance. */
import { randomBytes } from 'node:crypto'
import { createReadStream, statSync } from 'node:fs'
import { constants, copyFile, mkdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { syncFile, syncFolder } from '../sync.ts'
import type { SharedCache, SharedContent } from './shared-cache.ts'

export class SharedFolder implements SharedCache {
  readonly name: string

  /** `folder`: absolute. */
  constructor(folder: string) {
    this.name = folder
  }

  /** Not its parents: more likely the file system is not mounted. What cannot be made is told when it is used. */
  async make(): Promise<void> {
    await mkdir(this.name).catch(() => undefined)
  }

  async read(name: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    return (await this.has(name)) ? createReadStream(join(this.name, name)) : undefined
  }

  async has(name: string): Promise<boolean> {
    const found = await this.#stat(name)
    if (found !== undefined) return found.isFile()
    // A folder that is not mounted looks as if it had nothing in it.
    if ((await this.#stat('')) === undefined) throw new Error('there is no such folder')
    return false
  }

  async write(name: string, { file }: SharedContent): Promise<void> {
    const path = join(this.name, name)
    const temporary = join(this.name, 'tmp', randomBytes(12).toString('hex'))
    await mkdir(dirname(temporary), { recursive: true })
    await mkdir(dirname(path), { recursive: true })
    try {
      await copyFile(file, temporary, constants.COPYFILE_FICLONE)
      await syncFile({ path: temporary, sizeBytes: statSync(temporary).size })
      await rename(temporary, path)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
    syncFolder(dirname(path))
  }

  async #stat(name: string) {
    try {
      return await stat(join(this.name, name))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
}
