/** @file Where the files of a workflow may lie: in the project, and where whoever runs it allows by name. */
import { lstatSync, readdirSync, realpathSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { pathWithin } from './path-within.ts'

export class Confinement {
  readonly #project: string
  readonly #roots: readonly string[]
  readonly #folders = new Map<string, string>()

  /** `allowed`: absolute, or as seen from the project (absolute). */
  constructor(project: string, allowed: readonly string[] = []) {
    this.#project = project
    this.#roots = [project, ...allowed].map((path) => this.#real(resolve(project, path)))
  }

  /** Whether a path (absolute, or as seen from the project) lies within, all links on the way followed. */
  holds(path: string): boolean {
    return this.#isWithin(this.#real(resolve(this.#project, path)))
  }

  /** The first link somewhere below a folder that leads out, by its path in it. */
  linkLeadingOut(folder: string): string | undefined {
    const root = resolve(this.#project, folder)
    const visit = (below: string): string | undefined => {
      for (const entry of readdirSync(join(root, below), { withFileTypes: true })) {
        const path = join(below, entry.name)
        if (entry.isSymbolicLink() && !this.#isWithin(this.#real(join(root, path)))) return path
        // What a link within leads to is looked at where it lies, if it is read there.
        const found = entry.isDirectory() ? visit(path) : undefined
        if (found !== undefined) return found
      }
      return undefined
    }
    return visit('')
  }

  #isWithin(real: string): boolean {
    return this.#roots.some((root) => root === real || pathWithin(root, real) !== undefined)
  }

  /** Links followed as far as the path exists; what does not exist yet is taken as it is written. */
  #real(path: string): string {
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (stats?.isSymbolicLink()) {
      try {
        return realpathSync(path)
      } catch {
        // A link that leads nowhere leads nowhere allowed.
        return ''
      }
    }
    const folder = dirname(path)
    return folder === path ? path : join(this.#realFolder(folder), basename(path))
  }

  #realFolder(folder: string): string {
    let real = this.#folders.get(folder)
    if (real === undefined) {
      real = this.#real(folder)
      this.#folders.set(folder, real)
    }
    return real
  }
}
