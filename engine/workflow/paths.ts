/** @file Paths of a workflow file: their form, and that no two of them are in each other's way. */
import { posix } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Faults } from './faults.ts'
import type { Spot } from './yaml-value.ts'

const ENGINE_FOLDER = '.flow'

/** A normal form (`./a//b/` is `a/b`), or what is wrong with the path. */
export function normalizePath(
  text: string,
  role: 'input' | 'output',
): { readonly path: string } | { readonly fault: string; readonly hint?: string } {
  if (text.trim() === '') return { fault: 'the path is empty' }
  if (/[\u0000-\u001f]/.test(text)) return { fault: 'the path holds a control character' }
  if (text.includes('\\')) return { fault: 'the path holds a backslash', hint: 'part folders by `/`' }
  if (text === '~' || text.startsWith('~/')) {
    return { fault: '`~` is not replaced in paths', hint: 'write the path relative to the project' }
  }
  const normal = posix.normalize(text)
  const path = normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal
  if (path.startsWith('/')) {
    if (role === 'input') return { path }
    return { fault: `output path \`${text}\` is absolute`, hint: 'outputs lie within the project' }
  }
  if (path === '..' || path.startsWith('../')) {
    const hint = role === 'input' ? 'write an absolute path' : 'outputs lie within the project'
    return { fault: `\`${text}\` leads out of the project`, hint }
  }
  if (path === '.') return { fault: `\`${text}\` is the whole project`, hint: 'name a file or folder in it' }
  if (folded(path.split('/')[0]!) === ENGINE_FOLDER) {
    return { fault: `\`${text}\` lies in the engine's own folder \`${ENGINE_FOLDER}\`` }
  }
  return { path }
}

/** As a file system sees it that does not tell upper from lower case, or composed letters from decomposed ones. */
function folded(path: string): string {
  return path.normalize('NFC').toLowerCase()
}

export interface PathClaim {
  readonly node: string
  readonly port: string
  /** Normal form. */
  readonly path: string
  readonly spot: Spot
}

/** Outputs that overlap one another, and files read that a node of the same workflow writes. In file order. */
export function checkPaths(
  outputs: readonly PathClaim[],
  inputs: readonly PathClaim[],
  faults: Faults,
): void {
  const written = new Map<string, PathClaim>()
  // Elsewhere, what differs in case alone is one file.
  const byFolded = new Map<string, PathClaim>()
  for (const output of outputs) {
    const first = written.get(output.path) ?? byFolded.get(folded(output.path))
    if (first === undefined) {
      written.set(output.path, output)
      byFolded.set(folded(output.path), output)
    } else
      faults.add(
        output.spot,
        'output-conflict',
        `\`${output.path}\` is also written by \`${first.node}.${first.port}\``,
        // One declaration that stands for several nodes.
        isDeepStrictEqual(first.spot, output.spot)
          ? 'let the path hold what tells them apart: `${{ round }}`, `${{ each }}`, `${{ matrix.AXIS }}`'
          : undefined,
      )
  }
  for (const inner of written.values()) {
    for (const folder of parents(inner.path)) {
      const outer = written.get(folder)
      if (outer === undefined) continue
      const owner = `\`${outer.node}.${outer.port}\``
      faults.add(
        inner.spot,
        'output-conflict',
        `\`${inner.path}\` lies inside \`${outer.path}\`, which ${owner} writes`,
      )
      break
    }
  }

  const read = new Map<string, PathClaim>()
  for (const input of inputs) {
    if (!read.has(input.path)) read.set(input.path, input)
    const writer = [input.path, ...parents(input.path)]
      .map((path) => written.get(path))
      .find((claim) => claim !== undefined)
    if (writer === undefined) continue
    const place = writer.path === input.path ? '' : `lies inside \`${writer.path}\` and `
    const hint =
      writer.node === input.node ? 'write to another path' : `refer to the value${referenceTo(writer)}`
    faults.add(
      input.spot,
      'reads-output',
      `\`${input.path}\` ${place}is written by \`${writer.node}.${writer.port}\``,
      hint,
    )
  }
  const reported = new Set<string>()
  for (const output of written.values()) {
    for (const folder of parents(output.path)) {
      const reader = read.get(folder)
      if (reader === undefined || reported.has(folder)) continue
      reported.add(folder)
      const message = `\`${folder}\` holds \`${output.path}\`, which \`${output.node}.${output.port}\` writes`
      faults.add(reader.spot, 'reads-output', message, 'write to a path outside the folder')
    }
  }
}

/** What was expanded (`rounds/2/dpo`) has no reference of its own. */
function referenceTo({ node, port }: PathClaim): string {
  return node.includes('/') ? ' instead' : `: \`\${{ nodes.${node}.${port} }}\``
}

/** Innermost first. */
function parents(path: string): string[] {
  const folders: string[] = []
  for (let end = path.lastIndexOf('/'); end > 0; end = path.lastIndexOf('/', end - 1))
    folders.push(path.slice(0, end))
  return folders
}
