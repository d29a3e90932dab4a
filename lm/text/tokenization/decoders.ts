/** @file Decoders: how tokens become text again. Each step maps a list of tokens; what is left is joined. */
import { fromByteCharacters } from './byte-level.ts'
import { asPart, asParts, asText, type Part, unsupportedPart } from './fault.ts'
import { readPattern } from './pattern.ts'

export type Decoder = (tokens: readonly string[]) => readonly string[]

/** Undefined where `value` is null: tokens are joined by spaces. */
export function readDecoder(value: unknown): Decoder | undefined {
  if (value === null || value === undefined) return undefined
  const part = asPart(value, '`decoder`')
  switch (part.type) {
    case 'Sequence': {
      const steps = asParts(part.decoders, '`decoders`').flatMap((step) => readDecoder(step) ?? [])
      return (tokens) => steps.reduce((result, step) => step(result), tokens)
    }
    case 'ByteLevel':
      return fromByteLevel
    case 'ByteFallback':
      return fromByteTokens
    case 'Fuse':
      return (tokens) => [tokens.join('')]
    case 'Replace': {
      const pattern = readPattern(part.pattern, '`pattern` of the decoder')
      const content = asText(part.content, '`content` of the decoder')
      return (tokens) => tokens.map((token) => token.replace(pattern, () => content))
    }
    case 'Strip':
      return strip(part)
    case 'Metaspace':
      return fromMetaspace(part)
    default:
      throw unsupportedPart(`a decoder of type ${JSON.stringify(part.type)} is not supported`)
  }
}

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
const strictUtf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })
const encoder = new TextEncoder()

/** Bytes that are no UTF-8 become U+FFFD, one for each longest beginning of a character. */
function fromByteLevel(tokens: readonly string[]): string[] {
  const bytes: number[] = []
  for (const token of tokens) {
    // A token with a character outside the alphabet was added as text.
    for (const byte of fromByteCharacters(token) ?? encoder.encode(token)) bytes.push(byte)
  }
  return [utf8.decode(Uint8Array.from(bytes))]
}

/** `<0xE2>` and its like; bytes in a row that are no UTF-8 give a U+FFFD each. */
function fromByteTokens(tokens: readonly string[]): string[] {
  const result: string[] = []
  let bytes: number[] = []
  const flush = () => {
    if (bytes.length === 0) return
    try {
      result.push(strictUtf8.decode(Uint8Array.from(bytes)))
    } catch {
      result.push(...bytes.map(() => '\ufffd'))
    }
    bytes = []
  }
  for (const token of tokens) {
    const byte = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1]
    if (byte !== undefined) {
      bytes.push(Number.parseInt(byte, 16))
    } else {
      flush()
      result.push(token)
    }
  }
  flush()
  return result
}

/** At most `start` times `content` at the beginning and `stop` times at the end of each token. */
function strip(part: Part): Decoder {
  const content = asText(part.content, '`content` of the decoder')
  const start = Number(part.start ?? 0)
  const stop = Number(part.stop ?? 0)
  return (tokens) =>
    tokens.map((token) => {
      let text = token
      for (let n = 0; n < start && text.startsWith(content); n++) text = text.slice(content.length)
      for (let n = 0; n < stop && text.endsWith(content); n++) text = text.slice(0, -content.length)
      return text
    })
}

function fromMetaspace(part: Part): Decoder {
  const mark = asText(part.replacement, '`replacement` of the decoder')
  const opens = part.prepend_scheme !== 'never' && part.add_prefix_space !== false
  return (tokens) => tokens.map((token, nth) => token.replaceAll(mark, nth === 0 && opens ? '' : ' '))
}
