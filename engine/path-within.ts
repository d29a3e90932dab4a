/** @file Whether a file lies in a folder, and where in it. */
import path from 'node:path'

/** The path from `folder` to `file`; undefined for what lies elsewhere, and for the folder itself. Both are absolute. */
export function pathWithin(folder: string, file: string): string | undefined {
  const from = path.relative(folder, file)
  const elsewhere = from === '..' || from.startsWith(`..${path.sep}`) || path.isAbsolute(from)
  return from === '' || elsewhere ? undefined : from
}
