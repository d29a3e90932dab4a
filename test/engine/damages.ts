/** @file What can happen to a file of the store. */
import { statSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises'

export const damages: Readonly<Record<string, (path: string) => Promise<void>>> = {
  async 'a flipped bit, size and mtime kept'(path) {
    const { atimeMs, mtimeMs } = statSync(path)
    const bytes = await readFile(path)
    bytes[0]! ^= 1
    await chmod(path, 0o644)
    await writeFile(path, bytes)
    await utimes(path, atimeMs / 1000, mtimeMs / 1000)
    await chmod(path, 0o444)
  },
  async truncation(path) {
    await chmod(path, 0o644)
    await truncate(path, 3)
  },
  async deletion(path) {
    await rm(path)
  },
  async 'a folder in its place'(path) {
    await rm(path)
    await mkdir(path)
  },
}
