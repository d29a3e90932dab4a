/** @file Values that inputs name without a path: where they are on this machine, and their fetching, once a run. */
import type { Catalog } from '../stage/catalog.ts'
import { isStageFailure, StageFailure } from '../stage/failure.ts'
import { definitionOf } from './check.ts'
import type { FetchContext, RemoteSource } from './define.ts'

/** As a workflow's input holds it. */
export interface RemoteName {
  readonly type: string
  /** As the type understands it. */
  readonly name: string
  /** As written: with the scheme, or like a path. */
  readonly text: string
}

export class RemoteValues {
  readonly #catalog: Catalog
  readonly #found = new Map<string, string>()
  readonly #fetching = new Map<string, Promise<string>>()

  constructor(catalog: Catalog) {
    this.#catalog = catalog
  }

  /** Absolute path, where the value is on this machine. A value once found stays where it is for this object's life. */
  async find(remote: RemoteName): Promise<string | undefined> {
    const key = keyOf(remote)
    const known = this.#found.get(key)
    if (known !== undefined) return known
    const path = await (await this.#sourceOf(remote)).find(remote.name)
    if (path !== undefined) this.#found.set(key, path)
    return path
  }

  /** Brings the value here unless it is there. Calls for the same value share the work of the first. */
  async fetch(remote: RemoteName, context: FetchContext): Promise<string> {
    const path = await this.find(remote)
    if (path !== undefined) return path
    const key = keyOf(remote)
    const work = this.#fetching.get(key) ?? this.#bring(remote, context)
    this.#fetching.set(key, work)
    const fetched = await work
    this.#found.set(key, fetched)
    return fetched
  }

  async #bring(remote: RemoteName, context: FetchContext): Promise<string> {
    const source = await this.#sourceOf(remote)
    try {
      return await source.fetch(remote.name, context)
    } catch (error) {
      // A path that is misspelt looks like a name from elsewhere.
      if (!isStageFailure(error) || remote.text.startsWith(source.scheme)) throw error
      const { message, ...details } = error.details
      throw new StageFailure({
        ...details,
        message: `there is no file or folder \`${remote.text}\` in the project, and ${message}`,
      })
    }
  }

  async #sourceOf({ type }: RemoteName): Promise<RemoteSource> {
    const { remote } = await definitionOf(this.#catalog, type)
    if (remote === undefined) throw new Error(`values of type ${type} come from nowhere else`)
    return remote
  }
}

function keyOf({ type, name }: RemoteName): string {
  return `${type} ${name}`
}
