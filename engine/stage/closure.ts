/** @file What one entry of a build is made of: its import closure and the digest over it. */
import path from 'node:path'
import type { Metafile } from 'esbuild'
import { flowRoot } from '../flow-root.ts'
import { type FileStamp, hashBytes } from './file-stamp.ts'
import { isSource, PackageManifests } from './package-of.ts'
import type { ResolvedImports } from './resolve-imports.ts'
import { sourceName } from './source-name.ts'

/** Part of every digest; raised when the meaning of the rest changes. */
const digestVersion = 'flow plugin code 1'

export interface Closure {
  /** sha256 over the entry's place, the sources' places and contents, and the packages' versions. */
  readonly digest: string
  /** Path -> content hash. Relative to the root, so that a moved checkout keeps it. */
  readonly sources: Readonly<Record<string, string>>
  /** `name@version`, sorted. */
  readonly packages: readonly string[]
  readonly stamps: readonly FileStamp[]
  /** Package manifests that the build read. */
  readonly manifests: readonly string[]
  /** Paths whose coming into being would change what an import finds. */
  readonly absent: readonly string[]
}

/** @param root Absolute folder that the entry belongs to. */
export function closureOf(entry: string, root: string, metafile: Metafile, record: ResolvedImports): Closure {
  const packageManifests = new PackageManifests()
  const sources = new Map<string, FileStamp>()
  const packages = new Set<string>()
  const manifests = new Set<string>()
  const absent = new Set<string>()
  for (const file of reachable(entry, metafile)) {
    const stamp = record.stamps.get(file)
    if (stamp !== undefined) sources.set(sourceName(file, root), stamp)
    if (!isSource(file)) {
      const owner = packageManifests.owner(file)
      if (owner !== undefined) {
        packages.add(`${owner.name}@${owner.version}`)
        manifests.add(owner.file)
      }
    }
    const dependencies = record.dependencies.get(file)
    for (const name of dependencies?.packages ?? []) packages.add(name)
    for (const manifest of dependencies?.manifests ?? []) manifests.add(manifest)
    for (const place of dependencies?.absent ?? []) absent.add(place)
  }
  const names = [...sources.keys()].sort()
  const versions = [...packages].sort()
  const lines = [
    digestVersion,
    sourceName(entry, root),
    ...names.map((name) => `${sources.get(name)!.hash} ${name}`),
    ...versions,
  ]
  return {
    digest: hashBytes(lines.join('\n')),
    sources: Object.fromEntries(names.map((name) => [name, sources.get(name)!.hash])),
    packages: versions,
    stamps: names.map((name) => sources.get(name)!),
    manifests: [...manifests].sort(),
    absent: [...absent].sort(),
  }
}

function reachable(entry: string, metafile: Metafile): Set<string> {
  const found = new Set<string>()
  const pending = [path.relative(flowRoot, entry).split(path.sep).join('/')]
  const seen = new Set<string>(pending)
  for (let key = pending.pop(); key !== undefined; key = pending.pop()) {
    found.add(path.resolve(flowRoot, key.replace(/^flow-bundled:/, '')))
    for (const imported of metafile.inputs[key]?.imports ?? []) {
      if (imported.external || seen.has(imported.path)) continue
      seen.add(imported.path)
      pending.push(imported.path)
    }
  }
  return found
}
