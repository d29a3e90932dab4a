/** @file Reads a whole store, believing nothing, and lists all that is not as it should be. */
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import { parseTree, type TreeEntry } from '../../engine/fingerprint/tree.ts'
import type { ContentHash } from '../../engine/identity.ts'
import { Layout } from '../../engine/store/layout.ts'
import type { ActionRecord } from '../../engine/store/record.ts'
import { readSealed } from '../../engine/store/sealed-json.ts'

/** How a fault ends that the next run mends: what a process that died had begun. */
export const leftBehind = 'was left behind'

/** One line a fault; of a store that no process has open. */
export function storeFaults(flowFolder: string): string[] {
  const layout = new Layout(flowFolder)
  const faults: string[] = []
  const fault = (path: string, what: string) => faults.push(`${relative(flowFolder, path)} ${what}`)

  for (const path of filesBelow(layout.blobs)) {
    if (sha256(readFileSync(path)) !== basename(path)) fault(path, 'holds other bytes than its name says')
    if (layout.blob(basename(path) as ContentHash) !== path) fault(path, 'is not where it belongs')
    if ((lstatSync(path).mode & 0o777) !== 0o444) fault(path, 'is not read-only')
  }
  for (const path of filesBelow(layout.actions)) {
    const sealed = readSealed(path)
    if (sealed.state !== 'whole') {
      fault(path, 'has a broken seal')
      continue
    }
    const { key, preimage, outputs } = sealed.value as ActionRecord
    if (cacheKey(preimage) !== key || layout.action(key) !== path) fault(path, 'is not named by its preimage')
    for (const [port, { hash, kind }] of Object.entries(outputs)) {
      const hashes = kind === 'file' ? [hash] : [hash, ...(entriesOf(layout, hash) ?? []).flatMap(hashOf)]
      for (const one of hashes) if (!existsSync(layout.blob(one))) fault(path, `${port}: lacks blob ${one}`)
    }
  }
  for (const folder of [layout.ledger, layout.lastRuns]) {
    for (const path of filesBelow(folder)) {
      if (readSealed(path).state !== 'whole') fault(path, 'has a broken seal')
    }
  }
  if (readSealed(layout.version).state === 'damaged') fault(layout.version, 'has a broken seal')
  for (const name of namesIn(layout.views)) {
    const view = layout.view(name as ContentHash)
    for (const entry of entriesOf(layout, name as ContentHash) ?? []) {
      const path = join(view, entry.path)
      const whole = entry.kind === 'folder' || (existsSync(path) && sha256(readFileSync(path)) === entry.hash)
      if (!whole) fault(path, 'is not what the folder lists')
    }
  }
  for (const folder of [layout.attempts, layout.tmp, layout.locks, layout.owners]) {
    for (const name of namesIn(folder)) fault(join(folder, name), leftBehind)
  }
  return faults
}

function entriesOf(layout: Layout, hash: ContentHash): readonly TreeEntry[] | undefined {
  return existsSync(layout.blob(hash)) ? parseTree(readFileSync(layout.blob(hash), 'utf8')) : undefined
}

function hashOf(entry: TreeEntry): ContentHash[] {
  return entry.kind === 'file' ? [entry.hash] : []
}

/** A store that was hardly begun does not have all its folders. */
function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
}
