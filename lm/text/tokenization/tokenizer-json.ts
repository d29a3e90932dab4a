/**
 * @file A `tokenizer.json`: added tokens, normalizer, pre-tokenizer, byte-pair model, post-processor and decoder, as
 * the `tokenizers` library (0.23) runs them. Ids, offsets and decoded texts are the same.
 */
import { AddedTokens, readAddedTokens } from './added-tokens.ts'
import { BytePairModel } from './bpe.ts'
import { BYTE_CHARACTERS } from './byte-level.ts'
import { type Decoder, readDecoder } from './decoders.ts'
import { damagedPart, type Part } from './fault.ts'
import { readNormalizer } from './normalizers.ts'
import { type PostProcessor, readPostProcessor } from './post-processor.ts'
import { type PreTokenizer, readPreTokenizer } from './pre-tokenizers.ts'
import { originOf, type Stretch, wholeText } from './stretch.ts'

/** A token and the UTF-16 range of the text that it came from; tokens of one character share its range. */
export interface TokenSpan {
  readonly id: number
  readonly start: number
  readonly end: number
}

export class TokenizerPipeline {
  readonly post: PostProcessor
  readonly added: AddedTokens
  /** Token ids run from 0 to this, exclusive; some may be nobody's. */
  readonly size: number
  readonly #model: BytePairModel
  readonly #preTokenizer: PreTokenizer | undefined
  readonly #decoder: Decoder | undefined
  readonly #addedIds: ReadonlyMap<string, number>

  /** Throws `TokenizerFault`. */
  constructor(json: Part) {
    this.#model = new BytePairModel(json.model)
    const normalizer = readNormalizer(json.normalizer)
    this.#preTokenizer = readPreTokenizer(json.pre_tokenizer)
    this.#decoder = readDecoder(json.decoder)
    this.added = new AddedTokens(readAddedTokens(json.added_tokens), normalizer)
    this.#addedIds = new Map(this.added.tokens.map(({ content, id }) => [content, id]))
    this.post = readPostProcessor(json.post_processor)
    let size = 0
    for (const id of this.#model.vocabulary.values()) size = Math.max(size, id + 1)
    for (const { id } of this.added.tokens) size = Math.max(size, id + 1)
    this.size = size
    for (const id of [...this.post.before, ...this.post.after]) {
      if (this.token(id) === undefined)
        throw damagedPart(`the post-processor writes token ${id}, which is nobody's`)
    }
  }

  token(id: number): string | undefined {
    return this.added.text(id) ?? this.#model.token(id)
  }

  id(token: string): number | undefined {
    return this.#addedIds.get(token) ?? this.#model.vocabulary.get(token)
  }

  /** Nothing is put around the text. */
  encode(text: string): number[] {
    const ids: number[] = []
    for (const { stretch, id } of this.added.split(wholeText(text, false))) {
      if (id !== undefined) ids.push(id)
      else
        for (const piece of this.#pieces(stretch))
          for (const token of this.#model.encode(piece.text).ids) ids.push(token)
    }
    return ids
  }

  encodeWithOffsets(text: string): TokenSpan[] {
    const spans: TokenSpan[] = []
    const { trims } = this.post
    const add = (id: number, written: string, [start, end]: [number, number]) => {
      const span = { id, start, end }
      spans.push(
        trims
          ? trimmed(text, span, written, trims.addsPrefixSpace && (spans.length === 0 || start === 0))
          : span,
      )
    }
    for (const { stretch, id } of this.added.split(wholeText(text, true))) {
      if (id !== undefined) {
        add(id, stretch.text, originOf(stretch, 0, stretch.text.length))
        continue
      }
      for (const piece of this.#pieces(stretch)) {
        const { ids, lengths, shared } = this.#model.encode(piece.text)
        let at = 0
        let origin: [number, number] = [0, 0]
        ids.forEach((token, nth) => {
          if (!shared[nth]) origin = originOf(piece, at, at + lengths[nth]!)
          at += lengths[nth]!
          add(token, this.token(token)!, origin)
        })
      }
    }
    return spans
  }

  /** Ids that are nobody's leave no text. */
  decode(ids: readonly number[], skipSpecial: boolean): string {
    const tokens = ids.flatMap((id) => {
      const token = this.token(id)
      return token === undefined || (skipSpecial && this.added.token(id)?.special) ? [] : [token]
    })
    return this.#decoder ? this.#decoder(tokens).join('') : tokens.join(' ')
  }

  #pieces(stretch: Stretch): Stretch[] {
    const pieces = this.#preTokenizer ? this.#preTokenizer(stretch) : [stretch]
    return pieces.filter(({ text }) => text !== '')
  }
}

/** Without the white space at either end of the token; a single space at the text's beginning may be the tokenizer's. */
function trimmed(text: string, span: TokenSpan, written: string, mayBePrefixed: boolean): TokenSpan {
  const characters = [...written]
  const firstInk = characters.findIndex((character) => !isSpace(character))
  const leading = firstInk === -1 ? characters.length : firstInk
  const trailing = characters.length - 1 - characters.findLastIndex((character) => !isSpace(character))
  let { start, end } = span
  if (!(mayBePrefixed && leading === 1)) {
    for (let n = 0; n < leading && start < end; n++) start += text.codePointAt(start)! > 0xffff ? 2 : 1
  }
  for (let n = 0; n < trailing && end > start; n++) {
    end -= end - start > 1 && text.codePointAt(end - 2)! > 0xffff ? 2 : 1
  }
  return { id: span.id, start, end }
}

function isSpace(character: string): boolean {
  return character === BYTE_CHARACTERS[0x20] || /^\p{White_Space}$/u.test(character)
}
