/** @file Writes a file that appears whole or not at all, whatever ends the process meanwhile. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'

/** Bytes handed to the system at a time. */
const chunkBytes = 1 << 30

/** @param write calls `append` with the content, piece by piece; where it throws, no file is left */
export function writeWhole(file: string, write: (append: (bytes: Uint8Array) => void) => void): void {
  const temporary = `${file}.${process.pid}.partial`
  const descriptor = openSync(temporary, 'w')
  try {
    write((bytes) => {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(descriptor, bytes, done, Math.min(bytes.length - done, chunkBytes))
      }
    })
    fsyncSync(descriptor)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  } finally {
    closeSync(descriptor)
  }
  renameSync(temporary, file)
}
