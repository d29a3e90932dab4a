/** @file Which npm package a file belongs to, and what that package says about how its sources are bundled. */
import fs from 'node:fs'
import path from 'node:path'
import { flowRoot } from '../flow-root.ts'
import { pathWithin } from '../path-within.ts'

export interface PackageManifest {
  /** Absolute path of the `package.json`. */
  readonly file: string
  readonly name?: string
  readonly version?: string
  /** Import specifiers to bundle, since Node cannot load them or loads them slowly (`"flow": { "bundle": [...] }`). */
  readonly bundled: readonly string[]
}

/** Source code: the project's or Flow's own, as opposed to an installed package. */
export function isSource(file: string): boolean {
  const place = pathWithin(flowRoot, file) ?? file
  return !place.split(path.sep).includes('node_modules')
}

/** The folder's name under `node_modules`: `@scope/name` of `@scope/name/deep/file.js`. */
export function packageName(specifier: string): string {
  const parts = specifier.split('/')
  return parts.slice(0, specifier.startsWith('@') ? 2 : 1).join('/')
}

export class PackageManifests {
  readonly #byFolder = new Map<string, PackageManifest | undefined>()

  /** The nearest manifest above `file`. */
  nearest(file: string): PackageManifest | undefined {
    for (const folder of foldersAbove(file)) {
      const manifest = this.#read(folder)
      if (manifest !== undefined) return manifest
    }
    return undefined
  }

  /** The nearest manifest with a name and a version: a nested one may only say what kind of modules a folder holds. */
  owner(file: string): PackageManifest | undefined {
    for (const folder of foldersAbove(file)) {
      const manifest = this.#read(folder)
      if (manifest?.name !== undefined && manifest.version !== undefined) return manifest
    }
    return undefined
  }

  #read(folder: string): PackageManifest | undefined {
    if (!this.#byFolder.has(folder))
      this.#byFolder.set(folder, readManifest(path.join(folder, 'package.json')))
    return this.#byFolder.get(folder)
  }
}

/** The places that a search for package `name` from `folder` passes in vain before it finds it (or all, if it does not). */
export function emptyPlaces(folder: string, name: string): string[] {
  const places: string[] = []
  for (const above of [folder, ...foldersAbove(folder)]) {
    if (path.basename(above) === 'node_modules') continue
    const modules = path.join(above, 'node_modules')
    if (!fs.existsSync(modules)) places.push(modules)
    else if (fs.existsSync(path.join(modules, name))) return places
    else places.push(path.join(modules, name))
  }
  return places
}

function* foldersAbove(file: string): Generator<string> {
  for (
    let folder = path.dirname(file), inner = file;
    folder !== inner;
    inner = folder, folder = path.dirname(folder)
  ) {
    yield folder
  }
}

function readManifest(file: string): PackageManifest | undefined {
  let text: string
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  const content = JSON.parse(text) as { name?: unknown; version?: unknown; flow?: { bundle?: unknown } }
  const bundled = content.flow?.bundle
  return {
    file,
    ...(typeof content.name === 'string' && { name: content.name }),
    ...(typeof content.version === 'string' && { version: content.version }),
    bundled: Array.isArray(bundled) ? bundled.filter((specifier) => typeof specifier === 'string') : [],
  }
}
