/**
 * @file How text is cut before byte-pair encoding, by the names that llama.cpp gives (`tokenizer.ggml.pre`), as
 * parts of a `tokenizer.json`.
 */
import { isDeepStrictEqual } from 'node:util'
import { gpt2Pattern } from '../../text/tokenization/pre-tokenizers.ts'

export interface PreTokenizer {
  readonly name: string
  readonly aliases: readonly string[]
  readonly normalizer: object | null
  /** Patterns that the text is cut by, one after the other; what is between matches stays as it is. */
  readonly patterns: readonly string[]
  /** A whole piece that is a token is taken as it is. */
  readonly ignoreMerges: boolean
  /** Whether a text begins with bos where the file says nothing. */
  readonly addsBos: boolean
}

/** Letters with one sign before them, digits up to so many together, punctuation with line ends, white space. */
const modern = (digits: string) =>
  `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`

export const preTokenizers: readonly PreTokenizer[] = [
  {
    name: 'llama-bpe',
    aliases: ['llama3', 'llama-v3'],
    normalizer: null,
    patterns: [modern('\\p{N}{1,3}')],
    ignoreMerges: true,
    addsBos: true,
  },
  {
    name: 'qwen2',
    aliases: [],
    normalizer: { type: 'NFC' },
    patterns: [modern('\\p{N}')],
    ignoreMerges: false,
    addsBos: false,
  },
  {
    name: 'tekken',
    aliases: [],
    normalizer: null,
    patterns: [
      '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+',
    ],
    ignoreMerges: true,
    addsBos: true,
  },
  {
    name: 'smollm',
    aliases: ['starcoder', 'refact', 'command-r'],
    normalizer: null,
    patterns: ['\\p{N}', gpt2Pattern],
    ignoreMerges: false,
    addsBos: false,
  },
  {
    name: 'gpt-2',
    aliases: [],
    normalizer: null,
    patterns: [gpt2Pattern],
    ignoreMerges: false,
    addsBos: false,
  },
  {
    name: 'default',
    aliases: [],
    normalizer: null,
    patterns: ['[\\p{P}\\$\\+<=>\\^~\\|]+', gpt2Pattern, '\\p{N}+', '[0-9][0-9][0-9]'],
    ignoreMerges: false,
    addsBos: false,
  },
]

const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false }

/** The `pre_tokenizer` of a `tokenizer.json`. */
export function preTokenizerJson({ patterns }: PreTokenizer): object {
  const splits = patterns.map((pattern) => ({
    type: 'Split',
    pattern: { Regex: pattern },
    behavior: 'Isolated',
    invert: false,
  }))
  return { type: 'Sequence', pretokenizers: [...splits, bytes] }
}

/**
 * The one that cuts text as a `tokenizer.json` does; undefined where none is known to. llama.cpp normalises nothing, so
 * NFC, which leaves most texts as they are, makes no difference here.
 */
export function matchingPreTokenizer(json: Readonly<Record<string, unknown>>): PreTokenizer | undefined {
  const patterns = patternsOf(json.pre_tokenizer)
  const { normalizer = null } = json
  const { ignore_merges: ignoreMerges = false } = (json.model ?? {}) as Record<string, unknown>
  return preTokenizers.find(
    (known) =>
      isDeepStrictEqual(known.patterns, patterns) &&
      (normalizer === null || isDeepStrictEqual(normalizer, { type: 'NFC' })) &&
      known.ignoreMerges === ignoreMerges,
  )
}

/** Undefined where a part does something else than to cut by a pattern and to write bytes as characters. */
function patternsOf(preTokenizer: unknown): string[] | undefined {
  const { type, pretokenizers = [preTokenizer] } = (preTokenizer ?? {}) as Record<string, unknown>
  if (typeof type !== 'string' || !Array.isArray(pretokenizers)) return undefined
  const patterns: string[] = []
  let toBytes = false
  for (const part of pretokenizers) {
    if (toBytes) return undefined
    switch (part.type) {
      case 'Split':
        if (part.behavior !== 'Isolated' || part.invert === true || typeof part.pattern?.Regex !== 'string') {
          return undefined
        }
        patterns.push(part.pattern.Regex)
        break
      case 'Digits':
        patterns.push(part.individual_digits === true ? '\\p{N}' : '\\p{N}+')
        break
      case 'ByteLevel':
        if (part.add_prefix_space === true) return undefined
        if (part.use_regex !== false) patterns.push(gpt2Pattern)
        toBytes = true
        break
      default:
        return undefined
    }
  }
  return toBytes ? patterns : undefined
}
