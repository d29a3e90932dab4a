/** @file The texts that are predicted, as weighted tokens. */
import { readFileSync } from 'node:fs'
import type { Sequence } from '../../lm/batches/sequence.ts'
import { encodeConversation } from '../../lm/text/conversation.ts'
import { nonEmptyText, parse } from '../../lm/text/fields.ts'
import { parseInstruction, readFile } from '../../lm/text/rows.ts'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'

export interface MeasuredTexts {
  readonly sequences: readonly Sequence[]
  /** Of the texts in UTF-8; undefined for conversations, of which only a part may count. */
  readonly sizeBytes: number | undefined
}

export interface TextSettings {
  /** Every token of a conversation counts, not the assistant's only. */
  readonly wholeConversation: boolean
  /** Takes the first so many rows; 0: all. */
  readonly limit: number
}

/** What the file holds decides: rows with `text` are texts, other rows conversations, anything else is one text. */
export function readTexts(file: string, tokenizer: Tokenizer, settings: TextSettings): MeasuredTexts {
  const source = readFileSync(file, 'utf8')
  const take = <Row>(rows: readonly Row[]) => (settings.limit === 0 ? rows : rows.slice(0, settings.limit))
  const first = firstRow(source)
  if (first === undefined) return plainTexts([source], tokenizer)
  if (typeof first.text === 'string') {
    const rows = readFile(file, (row) => parse(row, (fields) => nonEmptyText(fields, 'text')))
    return plainTexts(take(rows), tokenizer)
  }
  const sequences = take(readFile(file, parseInstruction)).map(({ messages }) => {
    const { ids, assistant } = encodeConversation(tokenizer, messages)
    return { ids, weights: settings.wholeConversation ? ids.map(() => 1) : assistant }
  })
  return { sequences, sizeBytes: undefined }
}

/** Of JSON Lines or of a JSON array; undefined where the file is no rows. */
function firstRow(source: string): Record<string, unknown> | undefined {
  const text = source.trimStart()
  if (!text.startsWith('[') && !text.startsWith('{')) return undefined
  try {
    const value: unknown = JSON.parse(text.startsWith('[') ? text : text.split('\n', 1)[0]!)
    const first: unknown = Array.isArray(value) ? value[0] : value
    return typeof first === 'object' && first !== null ? (first as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function plainTexts(texts: readonly string[], tokenizer: Tokenizer): MeasuredTexts {
  const sequences = texts.map((text) => {
    const ids = [...tokenizer.prefixIds, ...tokenizer.encode(text)]
    return { ids, weights: ids.map(() => 1) }
  })
  return { sequences, sizeBytes: texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) }
}
