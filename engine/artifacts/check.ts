/** @file Checks a value against its artifact type: first what it is (file or folder), then from general to special. */
import { createHash } from 'node:crypto'
import { type Stats, statSync } from 'node:fs'
import type { Catalog } from '../stage/catalog.ts'
import { importModule } from '../stage/compile.ts'
import { artifactsOf } from '../stage/declaration.ts'
import type { ArtifactDefinition, ArtifactFault } from './define.ts'
import { genericArtifacts, genericArtifactsVersion } from './generic.ts'

const maxFaults = 20

/**
 * The faults of the value at `path` (absolute), at most 20. A special type's check runs only on what the general
 * ones found good, and may rely on it.
 */
export async function checkArtifact(
  catalog: Catalog,
  type: string,
  path: string,
): Promise<readonly ArtifactFault[]> {
  const { kind } = manifestOf(catalog, type)
  const found: Stats | undefined = statSync(path, { throwIfNoEntry: false })
  const wanted = kind === 'either' ? 'file or folder' : kind
  if (found === undefined) return [{ message: `there is no ${wanted}` }]
  const fits = { file: found.isFile(), folder: found.isDirectory() }
  if (kind === 'either' ? !fits.file && !fits.folder : !fits[kind]) {
    return [{ message: `is not a ${wanted}`, hint: `a value of type '${type}' is a ${wanted}` }]
  }
  for (const general of lineage(catalog, type).reverse()) {
    const faults: ArtifactFault[] = []
    for await (const fault of (await definitionOf(catalog, general)).validate(path)) {
      faults.push(fault)
      if (faults.length >= maxFaults) break
    }
    if (faults.length > 0) return faults
  }
  return []
}

/** One short line about a value that was found good. */
export async function describeArtifact(catalog: Catalog, type: string, path: string): Promise<string> {
  return await (await definitionOf(catalog, type)).describe(path)
}

/** Changes whenever a check that `checkArtifact` makes for this type may have changed. Lower-case hex sha256. */
export function checkDigest(catalog: Catalog, type: string): string {
  const digests = lineage(catalog, type).map(
    (name) => `${name} ${manifestOf(catalog, name).module?.digest ?? genericArtifactsVersion}`,
  )
  return createHash('sha256').update(digests.join('\n')).digest('hex')
}

/** The type itself, then what it extends. */
function lineage(catalog: Catalog, type: string): string[] {
  const types: string[] = []
  for (let name: string | undefined = type; name !== undefined; name = manifestOf(catalog, name).extends) {
    types.push(name)
  }
  return types
}

/** The definition behind a manifest; loads its code. */
export async function definitionOf(catalog: Catalog, type: string): Promise<ArtifactDefinition> {
  const { module } = manifestOf(catalog, type)
  const among = module === undefined ? genericArtifacts : artifactsOf(await importModule(module))
  const definition = among.find(({ name }) => name === type)
  if (definition === undefined) throw new Error(`artifact type ${type} is not declared in ${module?.entry}`)
  return definition
}

function manifestOf(catalog: Catalog, type: string) {
  const manifest = catalog.artifacts.get(type)
  if (manifest === undefined) throw new Error(`unknown artifact type ${type}`)
  return manifest
}
