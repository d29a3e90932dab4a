/**
 * @file Watches files, and tells of changes that belong together as one: an editor that writes a new file and renames
 * it over the old one, a checkout that replaces hundreds.
 *
 * Not the files themselves are watched but the folders in which they lie, with everything else in them left out: so a
 * file that is replaced, removed and made anew, or not there yet, is seen like any other.
 */
import { existsSync } from 'node:fs'
import { dirname, sep } from 'node:path'
import { type FSWatcher, watch } from 'chokidar'
import type { FileChange } from '../events/watch-event.ts'
import { pathWithin } from '../path-within.ts'

/** A change is over when nothing more has happened for so long. */
const quietMs = 100

export class FileWatcher {
  readonly #project: string
  readonly #changed = new Set<string>()
  #watcher: FSWatcher | undefined
  #wanted = new Wanted([])
  #timer: NodeJS.Timeout | undefined
  #onQuiet: (() => void) | undefined

  /** @param project Absolute, with symbolic links resolved. */
  constructor(project: string) {
    this.#project = project
  }

  /** From when it resolves on, changes of just these files and folders (absolute paths) are noticed. */
  async watch(paths: readonly string[]): Promise<void> {
    const wanted = new Wanted(paths)
    if (wanted.isSameAs(this.#wanted)) return
    const roots = new Set(
      paths.map((path) => (pathWithin(this.#project, path) === undefined ? dirname(path) : this.#project)),
    )
    const watcher = watch([...roots], {
      ignoreInitial: true,
      ignored: (path) => !wanted.has(path) && !wanted.isOnTheWay(path),
    })
    const former = this.#watcher
    watcher.on('all', (_event, path) => {
      if (wanted.has(path)) this.#note(path)
    })
    watcher.on('error', () => {
      // A folder that went away while it was looked at: its parent tells of that.
    })
    await new Promise<void>((ready) => watcher.once('ready', () => ready()))
    // Only now, so that there is no moment at which nobody watches what both do.
    this.#wanted = wanted
    this.#watcher = watcher
    await former?.close()
  }

  get count(): number {
    return this.#wanted.count
  }

  /** What has changed since it last resolved; waits until something has, and until the change is over. */
  async changes(signal: AbortSignal): Promise<FileChange[]> {
    await new Promise<void>((resolve) => {
      this.#onQuiet = resolve
      if (this.#changed.size > 0 && this.#timer === undefined) resolve()
      if (signal.aborted) resolve()
      else signal.addEventListener('abort', () => resolve(), { once: true })
    })
    this.#onQuiet = undefined
    const paths = [...this.#changed].sort()
    this.#changed.clear()
    return paths.map((path) => ({
      path: pathWithin(this.#project, path)?.split(sep).join('/') ?? path,
      change: existsSync(path) ? 'written' : 'removed',
    }))
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#watcher?.close()
  }

  #note(path: string): void {
    this.#changed.add(path)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#onQuiet?.()
    }, quietMs)
  }
}

/** A set of paths, with all that lies in those that are folders. */
class Wanted {
  readonly #paths: ReadonlySet<string>
  readonly #onTheWay = new Set<string>()

  constructor(paths: readonly string[]) {
    this.#paths = new Set(paths)
    for (const path of paths) {
      for (let folder = dirname(path); !this.#onTheWay.has(folder); folder = dirname(folder))
        this.#onTheWay.add(folder)
    }
  }

  get count(): number {
    return this.#paths.size
  }

  has(path: string): boolean {
    for (let part = path; ; part = dirname(part)) {
      if (this.#paths.has(part)) return true
      if (part === dirname(part)) return false
    }
  }

  /** Whether it is a folder around a wanted path. */
  isOnTheWay(path: string): boolean {
    return this.#onTheWay.has(path)
  }

  isSameAs(other: Wanted): boolean {
    return this.count === other.count && [...this.#paths].every((path) => other.#paths.has(path))
  }
}
