/** @file What tells, without reading it, that a file is still the one that was read. */
import { type BigIntStats, lstatSync } from 'node:fs'
import { isRacy } from '../fingerprint/stat-cache.ts'

/** Device, inode, size, mtime and ctime, in text; empty where there is no file. */
export function stateOf(path: string): string {
  const stats = statOf(path)
  return stats === undefined ? '' : asText(stats)
}

/**
 * To be asked for before the file is read. Absent also where the file was changed so shortly before that another change
 * might leave it in the same state.
 */
export function settledStateOf(path: string): string | undefined {
  const beganNs = BigInt(Date.now()) * 1_000_000n
  const stats = statOf(path)
  return stats === undefined || isRacy(stats, beganNs) ? undefined : asText(stats)
}

function statOf(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })
}

function asText({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs}`
}
