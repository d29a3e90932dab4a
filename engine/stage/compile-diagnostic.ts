/** @file A fault that esbuild found, as a diagnostic with the span in the source. */
import fs from 'node:fs'
import path from 'node:path'
import type { Message } from 'esbuild'
import type { Diagnostic } from '../diagnostic.ts'
import { flowRoot } from '../flow-root.ts'
import type { Entry } from './bundle.ts'

export function diagnosticOf(message: Message, entry: Entry): Diagnostic {
  const { location } = message
  const hint = message.notes.map((note) => note.text).join('; ')
  const base = { code: 'compile-error', severity: 'error', ...(hint !== '' && { hint }) } as const
  const text = message.text.replace(/\.$/, '')
  if (location === null) return { ...base, message: text, file: entry.file }
  const file = path.resolve(flowRoot, location.file)
  const position = `${path.relative(entry.root, file)}:${location.line}:${location.column + 1}`
  const start = offsetOf(file, location.line, location.column)
  const end = offsetOf(file, location.line, location.column + Math.max(1, location.length))
  return {
    ...base,
    message: `${position}: ${text}`,
    file,
    ...(start !== undefined && end !== undefined && { range: { start, end } }),
  }
}

/** UTF-16 offset of a position whose line is 1-based and whose column counts bytes from 0. */
function offsetOf(file: string, line: number, columnBytes: number): number | undefined {
  let text: string
  try {
    text = fs.readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
  let start = 0
  for (let current = 1; current < line; current++) start = text.indexOf('\n', start) + 1
  const [lineText = ''] = text.slice(start).split('\n', 1)
  return start + Buffer.from(lineText).subarray(0, columnBytes).toString('utf8').length
}

/** 1-based line of a diagnostic's range. */
export function lineOf(diagnostic: Diagnostic | undefined): { line?: number } {
  if (diagnostic?.file === undefined || diagnostic.range === undefined) return {}
  const before = fs.readFileSync(diagnostic.file, 'utf8').slice(0, diagnostic.range.start)
  return { line: before.split('\n').length }
}
