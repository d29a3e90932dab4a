/** @file Normalizers: what happens to a text before it is split. */
import { asPart, asParts, asText, type Part, unsupportedPart } from './fault.ts'
import { readPattern } from './pattern.ts'
import { Rewriter, type Stretch } from './stretch.ts'

export type Normalizer = (stretch: Stretch) => Stretch

const FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const

/** Undefined where `value` is null: texts stay as they are. */
export function readNormalizer(value: unknown): Normalizer | undefined {
  if (value === null || value === undefined) return undefined
  const part = asPart(value, '`normalizer`')
  const form = FORMS.find((name) => name === part.type)
  if (form) return (stretch) => toForm(stretch, form)
  switch (part.type) {
    case 'Sequence':
      return sequence(asParts(part.normalizers, '`normalizers`'))
    case 'Prepend':
      return prepend(asText(part.prepend, '`prepend` of the normalizer'))
    case 'Replace':
      return replace(part)
    default:
      throw unsupportedPart(`a normalizer of type ${JSON.stringify(part.type)} is not supported`)
  }
}

function sequence(parts: readonly Part[]): Normalizer {
  const steps = parts.flatMap((part) => readNormalizer(part) ?? [])
  return (stretch) => steps.reduce((result, step) => step(result), stretch)
}

/** The new text shares the origin of the first character; an empty stretch stays empty. */
function prepend(text: string): Normalizer {
  return (stretch) => {
    if (stretch.text === '') return stretch
    const rewriter = new Rewriter(stretch)
    rewriter.insert(text, 0)
    rewriter.keep(0, stretch.text.length)
    return rewriter.finish()
  }
}

function replace(part: Part): Normalizer {
  const pattern = readPattern(part.pattern, '`pattern` of the normalizer')
  const content = asText(part.content, '`content` of the normalizer')
  return (stretch) => replaceAll(stretch, pattern, content)
}

export function replaceAll(stretch: Stretch, pattern: RegExp, content: string): Stretch {
  const { text } = stretch
  if (!stretch.origins) return { ...stretch, text: text.replace(pattern, () => content) }
  const rewriter = new Rewriter(stretch)
  let done = 0
  for (const match of text.matchAll(pattern)) {
    rewriter.keep(done, match.index)
    rewriter.insert(content, match.index)
    done = match.index + match[0].length
  }
  rewriter.keep(done, text.length)
  return rewriter.finish()
}

/** A character and what may combine with it: marks, and the later letters of a Hangul syllable. */
const COMBINING = /[^\p{M}\u1160-\u11FF][\p{M}\u1160-\u11FF]*|[\p{M}\u1160-\u11FF]+/gu

function toForm(stretch: Stretch, form: (typeof FORMS)[number]): Stretch {
  const text = stretch.text.normalize(form)
  if (text === stretch.text) return stretch
  if (!stretch.origins) return { ...stretch, text }
  const rewriter = new Rewriter(stretch)
  for (const { 0: group, index } of stretch.text.matchAll(COMBINING)) {
    const normal = group.normalize(form)
    if (normal === group) {
      rewriter.keep(index, index + group.length)
      continue
    }
    // The first character stands for the first, further ones for the last of the group, counted from its end.
    const before = [...group]
    const after = [...normal]
    after.forEach((character, nth) => {
      const source = nth === 0 ? 0 : Math.max(0, before.length - after.length + nth)
      rewriter.insert(character, index + before.slice(0, source).join('').length)
    })
  }
  return rewriter.finish()
}
