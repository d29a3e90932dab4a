/**
 * @file Byte-pair encoding (Sennrich et al., arXiv 1508.07909): the symbols of a piece are merged pair by pair, the
 * earliest merge of the list first, the leftmost pair of equals first.
 */
import { asId, asPart, asText, damagedPart, type Part, unsupportedPart } from './fault.ts'

export interface Pieces {
  readonly ids: readonly number[]
  /** UTF-16 units of the piece that each token stands for; the bytes of one character each stand for all of it. */
  readonly lengths: readonly number[]
  /** Tokens that begin where the one before them began: further bytes of one character. */
  readonly shared: readonly boolean[]
}

/** Pairs of token ids as one number: ids are below 2^26. */
const PAIR = 2 ** 26
const POSITION = 2 ** 31

/** Longer pieces are hardly ever met twice. */
const LONGEST_CACHED = 64
const MOST_CACHED = 20_000

export class BytePairModel {
  readonly vocabulary: ReadonlyMap<string, number>
  readonly #tokens = new Map<number, string>()
  readonly #rankOfPair = new Map<number, number>()
  /** By rank: the token that the merge makes. */
  readonly #merged: number[] = []
  readonly #byteIds: readonly (number | undefined)[] | undefined
  readonly #unknownId: number | undefined
  readonly #fusesUnknown: boolean
  readonly #ignoresMerges: boolean
  readonly #prefix: string
  readonly #suffix: string
  readonly #cache = new Map<string, Pieces>()

  /** Throws `TokenizerFault`. */
  constructor(value: unknown) {
    const part = asPart(value, '`model`')
    const type = part.type ?? (part.merges === undefined ? undefined : 'BPE')
    if (type !== 'BPE') {
      throw unsupportedPart(`a model of type ${JSON.stringify(type)} is not supported: only BPE is`)
    }
    if (typeof part.dropout === 'number' && part.dropout > 0) {
      throw unsupportedPart(`\`dropout\` ${part.dropout} would encode a text differently each time`)
    }
    this.#prefix = typeof part.continuing_subword_prefix === 'string' ? part.continuing_subword_prefix : ''
    this.#suffix = typeof part.end_of_word_suffix === 'string' ? part.end_of_word_suffix : ''
    this.vocabulary = this.#readVocabulary(part.vocab)
    this.#readMerges(part)
    this.#unknownId = this.#readUnknown(part.unk_token)
    this.#fusesUnknown = part.fuse_unk === true
    this.#ignoresMerges = part.ignore_merges === true
    this.#byteIds =
      part.byte_fallback === true
        ? Array.from({ length: 256 }, (_, byte) => this.vocabulary.get(byteToken(byte)))
        : undefined
  }

  token(id: number): string | undefined {
    return this.#tokens.get(id)
  }

  encode(piece: string): Pieces {
    const cached = this.#cache.get(piece)
    if (cached) return cached
    const pieces = this.#compute(piece)
    if (piece.length <= LONGEST_CACHED) {
      if (this.#cache.size >= MOST_CACHED) this.#cache.clear()
      this.#cache.set(piece, pieces)
    }
    return pieces
  }

  #compute(piece: string): Pieces {
    if (this.#ignoresMerges) {
      const whole = this.vocabulary.get(piece)
      if (whole !== undefined) return { ids: [whole], lengths: [piece.length], shared: [false] }
    }
    const word = this.#symbols(piece)
    return word.ids.length > 1 ? this.#merge(word) : word
  }

  /** One token a character; characters without one become their bytes, or the unknown token, or nothing. */
  #symbols(piece: string): Pieces {
    const ids: number[] = []
    const lengths: number[] = []
    const shared: boolean[] = []
    const add = (id: number, length: number, isShared = false) => {
      ids.push(id)
      lengths.push(length)
      shared.push(isShared)
    }
    // Unknown characters wait here for the next known one: the bytes of a character may overtake them.
    let unknown = 0
    const flush = () => {
      if (unknown > 0) add(this.#unknownId!, unknown)
      unknown = 0
    }
    for (let at = 0; at < piece.length; ) {
      const character = String.fromCodePoint(piece.codePointAt(at)!)
      const symbol =
        (at === 0 ? '' : this.#prefix) +
        character +
        (at + character.length === piece.length ? this.#suffix : '')
      at += character.length
      const id = this.vocabulary.get(symbol)
      if (id !== undefined) {
        flush()
        add(id, character.length)
        continue
      }
      const bytes = this.#byteIds && [...encoder.encode(symbol)].map((byte) => this.#byteIds![byte])
      if (bytes?.every((byte) => byte !== undefined)) {
        bytes.forEach((byte, nth) => {
          add(byte!, nth === 0 ? character.length : 0, nth > 0)
        })
      } else if (this.#unknownId !== undefined) {
        if (!this.#fusesUnknown) flush()
        unknown += character.length
      }
    }
    flush()
    return { ids, lengths, shared }
  }

  #merge(word: Pieces): Pieces {
    const count = word.ids.length
    const ids = [...word.ids]
    const lengths = [...word.lengths]
    const previous = ids.map((_, at) => at - 1)
    const next = ids.map((_, at) => (at + 1 < count ? at + 1 : -1))
    const gone = new Uint8Array(count)
    const queue = new MinimumHeap()
    const consider = (left: number) => {
      if (left === -1 || next[left] === -1) return
      const rank = this.#rankOfPair.get(ids[left]! * PAIR + ids[next[left]!]!)
      if (rank !== undefined) queue.push(rank * POSITION + left)
    }
    for (let at = 0; at < count - 1; at++) consider(at)
    for (let top = queue.pop(); top !== undefined; top = queue.pop()) {
      const rank = Math.floor(top / POSITION)
      const left = top % POSITION
      const right = next[left]!
      if (gone[left] || right === -1) continue
      // The pair may have changed since it was queued; what counts is the token that it makes now.
      const now = this.#rankOfPair.get(ids[left]! * PAIR + ids[right]!)
      if (now === undefined || this.#merged[now] !== this.#merged[rank]) continue
      ids[left] = this.#merged[rank]!
      lengths[left]! += lengths[right]!
      gone[right] = 1
      next[left] = next[right]!
      if (next[left] !== -1) previous[next[left]!] = left
      consider(previous[left]!)
      consider(left)
    }
    const kept = ids.flatMap((_, at) => (gone[at] ? [] : [at]))
    return {
      ids: kept.map((at) => ids[at]!),
      lengths: kept.map((at) => lengths[at]!),
      shared: kept.map((at) => word.shared[at]!),
    }
  }

  #readVocabulary(value: unknown): Map<string, number> {
    const vocabulary = new Map<string, number>()
    for (const [token, given] of Object.entries(asPart(value, '`vocab` of the model'))) {
      const id = asId(given, `the id of ${JSON.stringify(token)}`)
      if (id >= PAIR)
        throw damagedPart(`the id of ${JSON.stringify(token)} is ${id}: no vocabulary is that large`)
      const other = this.#tokens.get(id)
      if (other !== undefined) {
        throw damagedPart(`${JSON.stringify(other)} and ${JSON.stringify(token)} both have the id ${id}`)
      }
      vocabulary.set(token, id)
      this.#tokens.set(id, token)
    }
    if (vocabulary.size === 0) throw damagedPart('the vocabulary is empty')
    return vocabulary
  }

  /** `"left right"` or `["left", "right"]`. */
  #readMerges(part: Part): void {
    if (!Array.isArray(part.merges)) throw damagedPart('`merges` of the model is not a list')
    part.merges.forEach((merge: unknown, rank) => {
      const pair = typeof merge === 'string' ? merge.split(' ') : merge
      const where = `merge ${rank + 1}`
      if (!Array.isArray(pair) || pair.length !== 2)
        throw damagedPart(`${where} is not a pair: ${JSON.stringify(merge)}`)
      const [left, right] = [asText(pair[0], where), asText(pair[1], where)]
      const made = left + right.slice(this.#prefix.length)
      const [leftId, rightId, madeId] = [left, right, made].map((token) => {
        const id = this.vocabulary.get(token)
        if (id === undefined) {
          throw damagedPart(`${where} needs ${JSON.stringify(token)}, which is not in the vocabulary`)
        }
        return id
      })
      this.#rankOfPair.set(leftId! * PAIR + rightId!, rank)
      this.#merged.push(madeId!)
    })
  }

  #readUnknown(token: unknown): number | undefined {
    if (token === null || token === undefined) return undefined
    const id = this.vocabulary.get(asText(token, '`unk_token` of the model'))
    if (id === undefined) throw damagedPart(`\`unk_token\` ${JSON.stringify(token)} is not in the vocabulary`)
    return id
  }
}

const encoder = new TextEncoder()

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}

/** A binary heap: the parent of entry n is entry (n - 1) / 2. */
class MinimumHeap {
  readonly #entries: number[] = []

  push(value: number): void {
    const entries = this.#entries
    let at = entries.length
    entries.push(value)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (entries[parent]! <= value) break
      entries[at] = entries[parent]!
      at = parent
    }
    entries[at] = value
  }

  pop(): number | undefined {
    const entries = this.#entries
    const least = entries[0]
    const last = entries.pop()
    if (last === undefined || entries.length === 0) return least
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= entries.length) break
      if (child + 1 < entries.length && entries[child + 1]! < entries[child]!) child++
      if (entries[child]! >= last) break
      entries[at] = entries[child]!
      at = child
    }
    entries[at] = last
    return least
  }
}
