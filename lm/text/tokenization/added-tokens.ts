/** @file Added tokens: texts that are tokens wherever they stand, found before anything else happens to a text. */
import { asId, asPart, asText, damagedPart, type Part } from './fault.ts'
import type { Normalizer } from './normalizers.ts'
import { type Stretch, slice, wholeText } from './stretch.ts'

export interface AddedToken {
  readonly id: number
  readonly content: string
  /** Left out where a text is decoded without special tokens. */
  readonly special: boolean
  /** Takes the white space before (after) it along. */
  readonly lstrip: boolean
  readonly rstrip: boolean
  /** Not inside a word. */
  readonly singleWord: boolean
  /** Looked for in the normalised text. */
  readonly normalized: boolean
}

export function readAddedToken(value: unknown, id: unknown, name: string): AddedToken {
  const part: Part = asPart(value, name)
  const special = part.special === true
  return {
    id: asId(id, `the id of ${name}`),
    content: asText(part.content, `\`content\` of ${name}`),
    special,
    lstrip: part.lstrip === true,
    rstrip: part.rstrip === true,
    singleWord: part.single_word === true,
    normalized: typeof part.normalized === 'boolean' ? part.normalized : !special,
  }
}

export function readAddedTokens(value: unknown): AddedToken[] {
  if (value === null || value === undefined) return []
  if (!Array.isArray(value)) throw damagedPart('`added_tokens` is not a list')
  return value.map((entry, index) => readAddedToken(entry, entry?.id, `added token ${index + 1}`))
}

/** A stretch of plain text, or one that is a token as it stands. */
export interface Section {
  readonly stretch: Stretch
  readonly id: number | undefined
}

export class AddedTokens {
  readonly #byId: ReadonlyMap<number, AddedToken>
  readonly #texts = new Map<number, string>()
  readonly #raw: Matcher
  readonly #normalized: Matcher
  readonly #normalizer: Normalizer | undefined

  constructor(
    readonly tokens: readonly AddedToken[],
    normalizer: Normalizer | undefined,
  ) {
    this.#normalizer = normalizer
    this.#byId = new Map(tokens.map((token) => [token.id, token]))
    if (this.#byId.size !== tokens.length) throw damagedPart('two added tokens have the same id')
    for (const { id, content, normalized } of tokens) {
      this.#texts.set(id, normalized && normalizer ? normalizer(wholeText(content, false)).text : content)
    }
    const entries = (wanted: boolean) =>
      tokens
        .filter(({ normalized }) => normalized === wanted)
        .map((token) => [this.text(token.id)!, token] as const)
    this.#raw = new Matcher(entries(false))
    this.#normalized = new Matcher(entries(true))
  }

  /** What is looked for, and what the token decodes to. */
  text(id: number): string | undefined {
    return this.#texts.get(id)
  }

  token(id: number): AddedToken | undefined {
    return this.#byId.get(id)
  }

  /** Tokens of the text as it is, then the normalised rest, then the tokens in that. */
  split(stretch: Stretch): Section[] {
    return this.#raw.split(stretch).flatMap((section) => {
      if (section.id !== undefined || section.stretch.text === '')
        return section.id === undefined ? [] : [section]
      const plain = this.#normalizer ? this.#normalizer(section.stretch) : section.stretch
      return this.#normalized.split(plain)
    })
  }
}

interface Node {
  readonly children: Map<string, Node>
  token?: AddedToken
}

/** Finds the leftmost, of those the longest, token. */
class Matcher {
  readonly #root: Node = { children: new Map() }
  /** Code units with which a token begins. */
  readonly #starts: RegExp | undefined

  constructor(entries: readonly (readonly [content: string, token: AddedToken])[]) {
    const starts = new Set<number>()
    for (const [content, token] of entries) {
      if (content === '') continue
      starts.add(content.charCodeAt(0))
      let node = this.#root
      for (let at = 0; at < content.length; at++) {
        let child = node.children.get(content[at]!)
        if (!child) {
          child = { children: new Map() }
          node.children.set(content[at]!, child)
        }
        node = child
      }
      node.token ??= token
    }
    if (starts.size > 0) {
      const units = [...starts].map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`)
      this.#starts = new RegExp(`[${units.join('')}]`, 'g')
    }
  }

  split(stretch: Stretch): Section[] {
    const { text } = stretch
    const sections: Section[] = []
    let done = 0
    const add = (from: number, to: number, id?: number) => {
      if (from < to) sections.push({ stretch: slice(stretch, from, to), id })
    }
    for (let at = this.#next(text, 0); at !== -1; ) {
      const found = this.#longest(text, at)
      if (!found) {
        at = this.#next(text, at + 1)
        continue
      }
      const { token, end } = found
      at = this.#next(text, end)
      if (token.singleWord && (isWordBefore(text, end - found.length) || isWordAfter(text, end))) continue
      const begin = end - found.length
      const from = token.lstrip ? Math.max(done, begin - spaceBefore(text, begin)) : begin
      const to = token.rstrip ? end + spaceAfter(text, end) : end
      add(done, from)
      add(from, to, token.id)
      done = to
    }
    add(done, text.length)
    return sections
  }

  #next(text: string, from: number): number {
    if (!this.#starts) return -1
    this.#starts.lastIndex = from
    return this.#starts.exec(text)?.index ?? -1
  }

  #longest(text: string, from: number): { token: AddedToken; end: number; length: number } | undefined {
    let found: AddedToken | undefined
    let end = from
    let node: Node | undefined = this.#root.children.get(text[from]!)
    for (let at = from + 1; node; node = node.children.get(text[at]!), at++) {
      if (node.token) {
        found = node.token
        end = at
      }
    }
    return found && { token: found, end, length: end - from }
  }
}

const WORD = String.raw`[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]`
const WORD_AT_END = new RegExp(`${WORD}$`, 'u')
const WORD_AT_START = new RegExp(`^${WORD}`, 'u')

function isWordBefore(text: string, at: number): boolean {
  return WORD_AT_END.test(text.slice(Math.max(0, at - 2), at))
}

function isWordAfter(text: string, at: number): boolean {
  return WORD_AT_START.test(text.slice(at, at + 2))
}

const isSpace = (character: string | undefined) =>
  character !== undefined && /^\p{White_Space}$/u.test(character)

/** Units of white space that end at `at`; no white space lies outside the basic plane. */
function spaceBefore(text: string, at: number): number {
  let from = at
  while (isSpace(text[from - 1])) from--
  return at - from
}

function spaceAfter(text: string, at: number): number {
  let to = at
  while (isSpace(text[to])) to++
  return to - at
}
