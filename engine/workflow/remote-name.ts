/** @file Tells an input's text that names a value elsewhere (`org/model`) from one that is a path. */
import type { RemoteName } from '../artifacts/remote-values.ts'
import type { Catalog } from '../stage/catalog.ts'

/** What the text names elsewhere, where it stands for a value of one of `types`; undefined where it can only be a path. */
export function remoteName(catalog: Catalog, types: readonly string[], text: string): RemoteName | undefined {
  for (const type of types) {
    const remote = catalog.artifacts.get(type)?.remote
    if (remote === undefined) continue
    if (text.startsWith(remote.scheme)) return { type, name: text.slice(remote.scheme.length), text }
    if (new RegExp(`^(?:${remote.pattern})$`).test(text)) return { type, name: text, text }
  }
  return undefined
}

/** Whether it was written with a scheme, and so cannot be a path. */
export function hasScheme({ name, text }: RemoteName): boolean {
  return name !== text
}

/** A text that looks like both is a path if that path is there, or the folder that it begins with: a slip in its rest. */
export function isPath(text: string, exists: (path: string) => boolean): boolean {
  if (text.includes('://')) return false
  const [first] = text.split('/')
  return exists(text) || (first !== undefined && first !== '' && exists(first))
}
