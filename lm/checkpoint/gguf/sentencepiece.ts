/** @file Tokenizers of SentencePiece's kind between the merges of a `tokenizer.json` and the scores of GGUF. */
import { isDeepStrictEqual } from 'node:util'
import type { Field } from './format.ts'
import { TokenType } from './token-type.ts'

/** What stands for a space. */
export const spaceMark = '\u2581'

/**
 * SentencePiece joins the pair whose token has the highest score; as merges in order: every way to make a token of
 * two, the highest score first, and among equals the pair with the longer parts, as transformers lists them.
 */
export function mergesByScore(tokens: readonly string[], scores: readonly number[]): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]))
  const merges: { readonly left: string; readonly right: string; readonly score: number }[] = []
  for (const [id, token] of tokens.entries()) {
    const characters = [...token]
    const ways: { left: string; right: string; score: number }[] = []
    for (let cut = 1; cut < characters.length; cut++) {
      const left = characters.slice(0, cut).join('')
      const right = characters.slice(cut).join('')
      if (ids.has(left) && ids.has(right)) ways.push({ left, right, score: scores[id] ?? 0 })
    }
    merges.push(
      ...ways.sort((a, b) => ids.get(a.left)! - ids.get(b.left)! || ids.get(a.right)! - ids.get(b.right)!),
    )
  }
  const length = (text: string) => [...text].length
  merges.sort(
    (a, b) => b.score - a.score || length(b.left) - length(a.left) || length(b.right) - length(a.right),
  )
  return merges.map(({ left, right }) => [left, right])
}

export interface SentencePieceFields {
  readonly scores: readonly (readonly [string, Field])[]
  readonly types: readonly number[]
  readonly addsSpace: boolean
}

/**
 * Undefined where a `tokenizer.json` does something else: without byte fallback, with another treatment of spaces, or
 * with merges that do not follow from one score a token.
 */
export function sentencePieceFields(
  json: Readonly<Record<string, unknown>>,
  known: {
    readonly tokens: readonly string[]
    readonly types: readonly number[]
    readonly merges: readonly string[]
    readonly unknownId: number | undefined
  },
): SentencePieceFields | undefined {
  const { byte_fallback: hasBytes } = (json.model ?? {}) as Record<string, unknown>
  const addsSpace = leadingSpace(json.normalizer ?? null, json.pre_tokenizer ?? null)
  if (hasBytes !== true || addsSpace === undefined) return undefined
  const { tokens, merges } = known
  const rank = new Map<string, number>()
  for (const [index, merge] of merges.entries()) {
    const token = merge.replace(' ', '')
    if (!rank.has(token)) rank.set(token, index)
  }
  // What no merge makes is never joined, whatever its score.
  const scores = tokens.map((token) => -(rank.get(token) ?? merges.length))
  const types = known.types.map((type, id) => {
    if (id === known.unknownId) return TokenType.unknown
    return type === TokenType.normal && /^<0x[0-9A-F]{2}>$/.test(tokens[id]!) ? TokenType.byte : type
  })
  const normal = tokens.filter((_, id) => types[id] === TokenType.normal)
  const normalScores = scores.filter((_, id) => types[id] === TokenType.normal)
  if (!sameOrder(mergesByScore(normal, normalScores), merges, rank, new Set(normal))) return undefined
  return {
    scores: [['tokenizer.ggml.scores', { type: 'array', element: 'f32', value: scores }]],
    types,
    addsSpace,
  }
}

/**
 * Whether the same merges are given, those that make one token standing together. Some lists also hold ways to make
 * special tokens, which no text is made into.
 */
function sameOrder(
  expected: readonly (readonly [string, string])[],
  merges: readonly string[],
  rank: ReadonlyMap<string, number>,
  normal: ReadonlySet<string>,
): boolean {
  const given = merges.filter((merge) => normal.has(merge.replace(' ', '')))
  const known = new Set(given)
  if (expected.length !== known.size || !expected.every((pair) => known.has(pair.join(' ')))) return false
  const first = given.map((merge) => rank.get(merge.replace(' ', ''))!)
  return first.every((value, index) => index === 0 || value >= first[index - 1]!)
}

const replaceSpaces = { type: 'Replace', pattern: { String: ' ' }, content: spaceMark }

/** Whether a space is put before the text; undefined where spaces are treated in no known way. */
function leadingSpace(normalizer: unknown, preTokenizer: unknown): boolean | undefined {
  const { type, prepend_scheme: scheme } = (preTokenizer ?? {}) as Record<string, unknown>
  if (type === 'Metaspace' && normalizer === null) {
    return scheme === 'never' ? false : scheme === 'first' || scheme === 'always' ? true : undefined
  }
  // Gemma cuts at spaces, of which its normalizer leaves none.
  const cutsNothing =
    preTokenizer === null ||
    (type === 'Split' && isDeepStrictEqual(spacePattern(preTokenizer), { String: ' ' }))
  if (!cutsNothing) return undefined
  if (isDeepStrictEqual(normalizer, replaceSpaces)) return false
  const prefixed = { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: spaceMark }, replaceSpaces] }
  return isDeepStrictEqual(normalizer, prefixed) ? true : undefined
}

function spacePattern(preTokenizer: unknown): unknown {
  return (preTokenizer as { pattern?: unknown }).pattern
}
