/** @file What takes the space. A file with several names (a blob and the views that link to it) is counted once. */
import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Layout } from './layout.ts'

/** In the order of counting: bytes that several hold are put down to the first. */
export const USAGE_PARTS = [
  'blobs',
  'actions',
  'logs',
  'views',
  'checkpoints',
  'attempts',
  'failures',
  'quarantine',
  'other',
] as const

export type UsagePart = (typeof USAGE_PARTS)[number]

export interface PartUsage {
  readonly files: number
  readonly sizeBytes: number
}

export interface Usage {
  readonly parts: Readonly<Record<UsagePart, PartUsage>>
  /** Everything below `.flow`. */
  readonly total: PartUsage
}

export function measureUsage(layout: Layout): Usage {
  const seen = new Set<string>()
  const parts = Object.fromEntries(
    USAGE_PARTS.map((part) => [
      part,
      part === 'other' ? othersOf(layout, seen) : measure(layout[part], seen),
    ]),
  ) as Record<UsagePart, PartUsage>
  const total = sum(Object.values(parts))
  return { parts, total }
}

/** Of a file, or everything in a folder. */
export function measureFolder(path: string): PartUsage {
  return measure(path, new Set())
}

function othersOf(layout: Layout, seen: Set<string>): PartUsage {
  const named = new Set<string>(USAGE_PARTS)
  const others = readdirSync(layout.root).filter((name) => !named.has(name))
  return sum(others.map((name) => measure(join(layout.root, name), seen)))
}

/** `seen`: "dev ino" of the files counted so far, where they have more than one name. */
function measure(path: string, seen: Set<string>): PartUsage {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return { files: 0, sizeBytes: 0 }
  if (!stats.isDirectory()) {
    if (stats.nlink > 1) {
      const identity = `${stats.dev} ${stats.ino}`
      if (seen.has(identity)) return { files: 0, sizeBytes: 0 }
      seen.add(identity)
    }
    return { files: 1, sizeBytes: stats.size }
  }
  let names: string[]
  try {
    names = readdirSync(path)
  } catch (error) {
    // Another process may delete what we count.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { files: 0, sizeBytes: 0 }
    throw error
  }
  return sum(names.map((name) => measure(join(path, name), seen)))
}

function sum(usages: readonly PartUsage[]): PartUsage {
  return {
    files: usages.reduce((files, usage) => files + usage.files, 0),
    sizeBytes: usages.reduce((sizeBytes, usage) => sizeBytes + usage.sizeBytes, 0),
  }
}
