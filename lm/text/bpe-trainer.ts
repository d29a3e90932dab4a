/**
 * @file Trains a byte-level byte-pair encoding, with the pre-tokenisation of Qwen2: each digit alone, a leading space
 * kept with its word. Text is normalised to NFC, cut at special tokens (which are never part of a merge) and into
 * pre-tokens, each of which is spelled in bytes and merged pair by pair.
 *
 * Deterministic: the pair with the highest count is merged; among equals the one whose left token has the lowest id,
 * then whose right token has. Ids: special tokens, then the 256 bytes in the order of the characters that stand for
 * them, then one for each merge.
 */

/** Contractions, words with one leading character, single digits, punctuation with a leading space, line ends, spaces. */
export const PRE_TOKEN_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

// The pattern above in JavaScript. Inline flags need Node 23, so both cases are spelled out (the long s folds to s);
// and \s there is Unicode's White_Space, while JavaScript's \s counts U+FEFF too and leaves U+0085 out.
const PRE_TOKEN =
  /'(?:[sS\u017f]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\p{White_Space}\p{L}\p{N}]+[\r\n]*|\p{White_Space}*[\r\n]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu

export interface BpeOptions {
  /** Tokens in all, special ones and bytes included. Training may end with fewer if the text runs out of pairs. */
  readonly vocabularySize: number
  /** A pair seen less often is not merged. @default 2 */
  readonly minimumFrequency?: number
  /** They get the first ids, in this order. */
  readonly specialTokens?: readonly string[]
}

export interface BytePairEncoding {
  /** Token text (bytes written as characters) by id. */
  readonly tokens: readonly string[]
  readonly merges: readonly (readonly [left: string, right: string])[]
  readonly specialTokens: readonly string[]
}

/** The character that stands for each byte: printable Latin-1 for itself, the rest from U+0100 on. */
export const BYTE_CHARACTERS: readonly string[] = (() => {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
    return String.fromCharCode(printable ? byte : next++)
  })
})()

/** The pre-tokens of a text that holds no special tokens; put together they are its NFC form. */
export function preTokenize(text: string): string[] {
  return text.normalize('NFC').match(PRE_TOKEN) ?? []
}

export function trainBytePairEncoding(texts: Iterable<string>, options: BpeOptions): BytePairEncoding {
  const trainer = new BytePairTrainer(options)
  for (const text of texts) trainer.add(text)
  return trainer.train()
}

interface Word {
  /** Token ids. */
  symbols: number[]
  readonly count: number
}

/** For texts that arrive one by one: `add` them all, then `train` once. */
export class BytePairTrainer {
  readonly #options: BpeOptions
  readonly #specialTokens: readonly string[]
  readonly #cuts: RegExp | undefined
  readonly #counts = new Map<string, number>()

  constructor(options: BpeOptions) {
    this.#options = options
    this.#specialTokens = options.specialTokens ?? []
    const least = this.#specialTokens.length + 256
    if (options.vocabularySize < least) {
      throw new RangeError(
        `a vocabulary of ${options.vocabularySize} cannot hold ${least} bytes and special tokens`,
      )
    }
    if (this.#specialTokens.length > 0) {
      const literal = (token: string) => token.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
      this.#cuts = new RegExp(this.#specialTokens.map(literal).join('|'), 'u')
    }
  }

  add(text: string): void {
    for (const part of this.#cuts === undefined ? [text] : text.split(this.#cuts)) {
      for (const preToken of preTokenize(part)) {
        this.#counts.set(preToken, (this.#counts.get(preToken) ?? 0) + 1)
      }
    }
  }

  train(): BytePairEncoding {
    const tokens = [...this.#specialTokens, ...[...BYTE_CHARACTERS].sort()]
    const idOf = new Map(tokens.map((token, id) => [token, id]))
    const words: Word[] = [...this.#counts].map(([text, count]) => ({
      symbols: [...Buffer.from(text, 'utf8')].map((byte) => idOf.get(BYTE_CHARACTERS[byte]!)!),
      count,
    }))
    const pairs = new PairCounts(words)
    const merges: [string, string][] = []
    while (tokens.length < this.#options.vocabularySize) {
      const best = pairs.mostFrequent()
      if (best === undefined || best.count < (this.#options.minimumFrequency ?? 2)) break
      const left = tokens[best.left]!
      const right = tokens[best.right]!
      // Two different pairs can spell one token: it keeps its first id, and both merges stand.
      let id = idOf.get(left + right)
      if (id === undefined) {
        id = tokens.length
        tokens.push(left + right)
        idOf.set(left + right, id)
      }
      merges.push([left, right])
      pairs.merge(best.left, best.right, id)
    }
    return { tokens, merges, specialTokens: this.#specialTokens }
  }
}

// Two token ids in one number: a Map finds numbers faster than strings.
const PAIR_BASE = 2 ** 24

/** How often each pair of neighbours occurs, kept right while words are merged. */
class PairCounts {
  readonly #counts = new Map<number, number>()
  /** Pair -> words that held it at some time. */
  readonly #wordsOf = new Map<number, Set<Word>>()

  constructor(words: readonly Word[]) {
    for (const word of words) this.#change(word, 1)
  }

  mostFrequent(): { left: number; right: number; count: number } | undefined {
    let best = -1
    let bestCount = 0
    for (const [pair, count] of this.#counts) {
      if (count > bestCount || (count === bestCount && pair < best)) {
        best = pair
        bestCount = count
      }
    }
    if (bestCount === 0) return undefined
    return { left: Math.floor(best / PAIR_BASE), right: best % PAIR_BASE, count: bestCount }
  }

  /** Replaces the pair by `id` everywhere, from each word's left end. */
  merge(left: number, right: number, id: number): void {
    const pair = left * PAIR_BASE + right
    for (const word of this.#wordsOf.get(pair) ?? []) {
      this.#change(word, -1)
      const merged: number[] = []
      for (const symbol of word.symbols) {
        if (symbol === right && merged.at(-1) === left) merged[merged.length - 1] = id
        else merged.push(symbol)
      }
      word.symbols = merged
      this.#change(word, 1)
    }
    this.#wordsOf.delete(pair)
  }

  #change(word: Word, sign: 1 | -1): void {
    for (let i = 1; i < word.symbols.length; i++) {
      const pair = word.symbols[i - 1]! * PAIR_BASE + word.symbols[i]!
      const count = (this.#counts.get(pair) ?? 0) + sign * word.count
      if (count === 0) this.#counts.delete(pair)
      else this.#counts.set(pair, count)
      if (sign > 0) {
        const holders = this.#wordsOf.get(pair)
        if (holders === undefined) this.#wordsOf.set(pair, new Set([word]))
        else holders.add(word)
      }
    }
  }
}
