/** @file Every family's pipeline against AutoTokenizer on a thousand odd strings: ids, offsets, decoded texts. */
import { describe, expect, test } from 'vitest'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { readReference, referencePath } from './reference.ts'

const FAMILIES = [
  'llama2',
  'llama2-legacy',
  'mistral-v1',
  'mistral-tekken',
  'llama3',
  'qwen2',
  'smollm2',
  'gemma3',
  'flags',
]
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

interface Reference {
  /** What the empty text becomes: tokens put before a text. */
  readonly before: number[]
  /** Four characters a string: a digest of its tokens' offsets. */
  readonly offsets: string
  readonly rows: {
    /** Two characters an id. */
    readonly ids: string
    /** What the ids decode to, where that is not the text. */
    readonly decoded?: string
    /** Without special tokens, where that differs. */
    readonly skipped?: string
    /** Of the ids without the first and the last. */
    readonly inner?: string
  }[]
}

function unpacked(text: string): number[] {
  const ids: number[] = []
  for (let at = 0; at < text.length; at += 2) {
    ids.push(64 * ALPHABET.indexOf(text[at]!) + ALPHABET.indexOf(text[at + 1]!))
  }
  return ids
}

function digest(values: readonly number[]): string {
  let total = 0
  for (const value of values) total = (Math.imul(total, 31) + value + 1) & 0xffffff
  return [18, 12, 6, 0].map((shift) => ALPHABET[(total >> shift) & 63]).join('')
}

const strings = readReference<string[]>('tokenizers/strings.json')

describe.each(FAMILIES)('%s', (family) => {
  const tokenizer = loadTokenizer(referencePath(`tokenizers/${family}`))
  const { before, offsets, rows } = readReference<Reference>(`tokenizers/${family}/ids.json`)
  /** The strings that `wrong` finds fault with, and what it says. */
  const faults = (wrong: (text: string, row: Reference['rows'][number], ids: number[]) => unknown) =>
    strings.flatMap((text, index) => {
      const row = rows[index]!
      const found = wrong(text, row, unpacked(row.ids))
      return found === undefined ? [] : [{ text, found }]
    })

  test('ids, with and without what stands before a text', () => {
    expect(strings).toHaveLength(1000)
    expect(rows).toHaveLength(1000)
    expect(tokenizer.prefixIds).toEqual(before)
    const wrong = faults((text, _, ids) => {
      const made = tokenizer.encode(text)
      return made.join() === ids.join() ? undefined : { made, ids }
    })
    expect(wrong).toEqual([])
  })

  test('decoded: all, without special tokens, and cut inside a character', () => {
    const wrong = faults((text, { decoded = text, skipped = decoded, inner }, ids) => {
      const made = [tokenizer.decode(ids), tokenizer.decode(ids, { skipSpecial: true })]
      const reference = [decoded, skipped]
      if (inner !== undefined) {
        made.push(tokenizer.decode(ids.slice(1, -1)))
        reference.push(inner)
      }
      return made.every((value, nth) => value === reference[nth]) ? undefined : { made, reference }
    })
    expect(wrong).toEqual([])
  })

  test('the same ids with offsets, and the offsets', () => {
    const wrong = strings.flatMap((text, index) => {
      const spans = tokenizer.encodeWithOffsets(text)
      const made = digest(spans.flatMap(({ start, end }) => [start, end]))
      const isSame = made === offsets.slice(4 * index, 4 * index + 4)
      return isSame && spans.map(({ id }) => id).join() === unpacked(rows[index]!.ids).join()
        ? []
        : [{ text, spans }]
    })
    expect(wrong).toEqual([])
  })
})
