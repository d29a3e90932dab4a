/** @file Where compiled plugins and what was learnt from them are kept. All of it can be deleted at any time. */
import { createHash, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { flowRoot } from '../flow-root.ts'
import { isSystemError } from './machine-failure.ts'

/** A build that was superseded this long ago is not in use by a running process any more. */
const keptMs = 3 * 24 * 3600 * 1000

let chosen: string | undefined

/** Absolute; created on first use. In Flow's `node_modules`, or a private temporary folder where that is read-only. */
export function cacheFolder(): string {
  chosen ??= chooseFolder()
  return chosen
}

function chooseFolder(): string {
  const preferred = path.join(flowRoot, 'node_modules', '.cache', 'flow')
  try {
    fs.mkdirSync(preferred, { recursive: true })
    fs.accessSync(preferred, fs.constants.W_OK)
    return preferred
  } catch {
    return temporaryFolder()
  }
}

/** Code is imported from here: a folder that someone else owns or can write is not used. */
function temporaryFolder(): string {
  const owner = process.getuid?.() ?? os.userInfo().username
  const digest = createHash('sha256').update(flowRoot).digest('hex').slice(0, 12)
  const folder = path.join(os.tmpdir(), `flow-cache-${owner}-${digest}`)
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const stats = fs.lstatSync(folder)
  const foreign =
    process.getuid !== undefined && (stats.uid !== process.getuid() || (stats.mode & 0o022) !== 0)
  return stats.isDirectory() && !foreign ? folder : fs.mkdtempSync(`${folder}-`)
}

/** Readers see the old file or the new one, never a part. Where the system refuses, it stays as it was. */
export function replaceFile(file: string, content: string): void {
  const attempt = `${file}.${randomUUID()}.tmp`
  try {
    fs.mkdirSync(path.dirname(file), { recursive: true })
    fs.writeFileSync(attempt, content)
    fs.renameSync(attempt, file)
  } catch (error) {
    // It costs the next start some time; it must not fail this one.
    if (!isSystemError(error)) throw error
    fs.rmSync(attempt, { force: true })
  }
}

/**
 * Puts `files` into a new folder `<prefix>-<digest of the content>` and returns its name. Safe against another
 * process that does the same.
 */
export function placeFolder(
  prefix: string,
  files: readonly { readonly name: string; readonly contents: Uint8Array }[],
): string {
  const digest = createHash('sha256')
  for (const { name, contents } of files) digest.update(`${name}\0${contents.length}\0`).update(contents)
  const folder = `${prefix}-${digest.digest('hex').slice(0, 16)}`
  const destination = path.join(cacheFolder(), folder)
  if (fs.existsSync(destination)) {
    // It may have been superseded long ago; a sweep of another process must not take it now.
    touch(folder)
    return folder
  }
  const attempt = path.join(cacheFolder(), `tmp-${randomUUID()}`)
  try {
    fs.mkdirSync(attempt)
    for (const { name, contents } of files) fs.writeFileSync(path.join(attempt, name), contents)
    fs.renameSync(attempt, destination)
  } catch (error) {
    fs.rmSync(attempt, { recursive: true, force: true })
    if (!fs.existsSync(destination)) throw error
  }
  return folder
}

/** The age of a folder counts from when it stopped being the current one. */
export function touch(folder: string): void {
  const now = new Date()
  try {
    fs.utimesSync(path.join(cacheFolder(), folder), now, now)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Removes folders `<prefix>-*` that are not in use, if they were `left` or superseded long ago. */
export function sweepFolders(prefix: string, inUse: ReadonlySet<string>, left: ReadonlySet<string>): void {
  for (const name of fs.readdirSync(cacheFolder())) {
    if (!name.startsWith(`${prefix}-`) || inUse.has(name)) continue
    const folder = path.join(cacheFolder(), name)
    const stats = fs.statSync(folder, { throwIfNoEntry: false })
    if (stats === undefined) continue
    if (left.has(name) || Date.now() - stats.mtimeMs > keptMs)
      fs.rmSync(folder, { recursive: true, force: true })
  }
}
