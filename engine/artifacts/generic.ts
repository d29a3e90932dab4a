/** @file The artifact types that the engine itself owns. They know formats, not meanings. */
import { createReadStream, type Dirent, readFileSync, statSync } from 'node:fs'
import { open, readdir, stat } from 'node:fs/promises'
import path from 'node:path'
import { smallBytes } from '../fingerprint/hash.ts'
import { type ArtifactDefinition, type ArtifactFault, defineArtifact } from './define.ts'

/** Part of the digest under which a checked value is remembered; raised when one of these checks changes. */
export const genericArtifactsVersion = 2

const text = defineArtifact({
  name: 'text',
  kind: 'file',
  description: 'UTF-8 text',
  async *validate(file) {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    let line = 1
    try {
      for await (const chunk of chunksOf(file)) {
        decoder.decode(chunk, { stream: true })
        for (const byte of chunk) if (byte === 0x0a) line++
      }
      decoder.decode()
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      yield {
        message: 'is not UTF-8 text',
        hint: `the first bytes that are not lie in line ${line} or soon after`,
      }
    }
  },
  describe(file) {
    return sizeText(statSync(file).size)
  },
})

const json = defineArtifact({
  name: 'json',
  kind: 'file',
  description: 'one JSON value',
  async *validate(file) {
    const source = readFileSync(file, 'utf8')
    try {
      JSON.parse(source)
    } catch (error) {
      yield {
        message: `is not JSON: ${(error as Error).message}`,
        ...lineOfSyntaxError(source, error as Error),
      }
    }
  },
  async describe(file) {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
    if (Array.isArray(value)) return counted(value.length, 'row')
    if (typeof value === 'object' && value !== null) return counted(Object.keys(value).length, 'field')
    return JSON.stringify(value)
  },
})

const jsonl = defineArtifact({
  name: 'jsonl',
  kind: 'file',
  description: 'one JSON value a line',
  async *validate(file) {
    if (await isOtherThanText(file)) {
      yield {
        message: 'is UTF-16 text or a binary file',
        hint: 'it must hold one JSON value a line, in UTF-8',
      }
      return
    }
    for await (const { content, line } of linesOf(file)) {
      try {
        JSON.parse(content)
      } catch (error) {
        yield { message: `is not JSON: ${(error as Error).message}`, line }
      }
    }
  },
  async describe(file) {
    let rows = 0
    for await (const _ of linesOf(file)) rows++
    return counted(rows, 'row')
  },
})

const folder = defineArtifact({
  name: 'folder',
  kind: 'folder',
  description: 'a folder of files',
  validate(): ArtifactFault[] {
    return []
  },
  async describe(place) {
    const entries: Dirent[] = await readdir(place, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile())
    const sizes = await Promise.all(files.map((file) => stat(path.join(file.parentPath, file.name))))
    const sizeBytes = sizes.reduce((sum, { size }) => sum + size, 0)
    return `${counted(files.length, 'file')}, ${sizeText(sizeBytes)}`
  },
})

export const genericArtifacts: readonly ArtifactDefinition[] = [text, json, jsonl, folder]

/** A small file in one piece: a stream costs several waits. */
function chunksOf(file: string): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
  return statSync(file).size <= smallBytes ? [readFileSync(file)] : createReadStream(file)
}

/** Zero bytes near the beginning: UTF-8 text has none. */
async function isOtherThanText(file: string): Promise<boolean> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4096), 0, 4096, 0)
    return buffer.subarray(0, bytesRead).includes(0)
  } finally {
    await handle.close()
  }
}

/** Lines that hold something, with 1-based numbers. A byte order mark is no part of the first. */
async function* linesOf(file: string): AsyncGenerator<{ content: string; line: number }> {
  const { createInterface } = await import('node:readline')
  const lines = createInterface({
    input: createReadStream(file, 'utf8'),
    crlfDelay: Number.POSITIVE_INFINITY,
  })
  let line = 0
  for await (const read of lines) {
    line++
    const content = line === 1 ? read.replace(/^\uFEFF/, '') : read
    if (content.trim() !== '') yield { content, line }
  }
}

function lineOfSyntaxError(source: string, error: Error): { line?: number } {
  const position = /at position (\d+)/.exec(error.message)?.[1]
  if (position !== undefined) return { line: source.slice(0, Number(position)).split('\n').length }
  return /end of JSON input/.test(error.message) ? { line: source.trimEnd().split('\n').length } : {}
}

function counted(count: number, unit: string): string {
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}

function sizeText(sizeBytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, sizeBytes)) / 3))
  const amount = sizeBytes / 1000 ** power
  return `${power === 0 ? amount : amount.toPrecision(3)} ${units[power]}`
}
