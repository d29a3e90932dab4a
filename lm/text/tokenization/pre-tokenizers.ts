/** @file Pre-tokenizers: how a normalised text is split into the pieces that the model sees one by one. */
import { toByteCharacters } from './byte-level.ts'
import { asPart, asParts, asText, damagedPart, type Part, unsupportedPart } from './fault.ts'
import { replaceAll } from './normalizers.ts'
import { fromOniguruma, readPattern } from './pattern.ts'
import { Rewriter, type Stretch, slice } from './stretch.ts'

export type PreTokenizer = (stretch: Stretch) => Stretch[]

/** How GPT-2 cuts a text. */
export const gpt2Pattern = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

/** Undefined where `value` is null: the text is one piece. */
export function readPreTokenizer(value: unknown): PreTokenizer | undefined {
  if (value === null || value === undefined) return undefined
  const part = asPart(value, '`pre_tokenizer`')
  switch (part.type) {
    case 'Sequence': {
      const steps = asParts(part.pretokenizers, '`pretokenizers`').flatMap(
        (step) => readPreTokenizer(step) ?? [],
      )
      return (stretch) => steps.reduce((pieces, step) => pieces.flatMap(step), [stretch])
    }
    case 'Split':
      return splitter(
        readPattern(part.pattern, '`pattern` of the pre-tokenizer'),
        asBehavior(part.behavior),
        part.invert === true,
      )
    case 'Digits':
      return splitter(/\p{N}/gu, part.individual_digits === true ? 'Isolated' : 'Contiguous', false)
    case 'ByteLevel':
      return byteLevel(part)
    case 'Metaspace':
      return metaspace(part)
    default:
      throw unsupportedPart(`a pre-tokenizer of type ${JSON.stringify(part.type)} is not supported`)
  }
}

/** What becomes of the matches of a pattern. */
type Behavior = 'Removed' | 'Isolated' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous'

function asBehavior(value: unknown): Behavior {
  const known = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous'] as const
  const behavior = known.find((name) => name === value)
  if (behavior === undefined)
    throw damagedPart(`a split behaves as ${JSON.stringify(value)}, which is unknown`)
  return behavior
}

interface Range {
  readonly from: number
  to: number
  readonly isMatch: boolean
}

function splitter(pattern: RegExp, behavior: Behavior, invert: boolean): PreTokenizer {
  return (stretch) => {
    const ranges: Range[] = []
    const add = (from: number, to: number, isMatch: boolean) => {
      if (from < to) ranges.push({ from, to, isMatch: isMatch !== invert })
    }
    let done = 0
    for (const match of stretch.text.matchAll(pattern)) {
      add(done, match.index, false)
      done = match.index + match[0].length
      add(match.index, done, true)
    }
    add(done, stretch.text.length, false)
    return gather(ranges, behavior).map(({ from, to }) => slice(stretch, from, to))
  }
}

function gather(ranges: Range[], behavior: Behavior): Range[] {
  switch (behavior) {
    case 'Isolated':
      return ranges
    case 'Removed':
      return ranges.filter(({ isMatch }) => !isMatch)
    case 'Contiguous':
      return joined(ranges, (previous, range) => previous.isMatch === range.isMatch)
    case 'MergedWithPrevious':
      // Of matches in a row only the first joins what stands before it.
      return joined(ranges, (previous, range) => range.isMatch && !previous.isMatch)
    case 'MergedWithNext':
      return joined(ranges, (previous, range) => previous.isMatch && !range.isMatch)
    default:
      return behavior satisfies never
  }
}

/** Joins neighbours where `belong` says so of the two ranges as they were. */
function joined(ranges: readonly Range[], belong: (previous: Range, range: Range) => boolean): Range[] {
  const result: Range[] = []
  ranges.forEach((range, index) => {
    const previous = ranges[index - 1]
    if (previous && belong(previous, range)) result.at(-1)!.to = range.to
    else result.push({ ...range })
  })
  return result
}

function byteLevel(part: Part): PreTokenizer {
  const addsSpace = part.add_prefix_space === true
  const split = part.use_regex === false ? undefined : splitter(fromOniguruma(gpt2Pattern), 'Isolated', false)
  return (stretch) => {
    const opened = addsSpace && !stretch.text.startsWith(' ') ? prefixed(stretch, ' ') : stretch
    return (split ? split(opened) : [opened]).map(asBytes)
  }
}

function asBytes(stretch: Stretch): Stretch {
  const { text } = stretch
  if (!stretch.origins) return { ...stretch, text: toByteCharacters(text) }
  const rewriter = new Rewriter(stretch)
  let at = 0
  for (const character of text) {
    rewriter.insert(toByteCharacters(character), at)
    at += character.length
  }
  return rewriter.finish()
}

function prefixed(stretch: Stretch, prefix: string): Stretch {
  const rewriter = new Rewriter(stretch)
  rewriter.insert(prefix, 0)
  rewriter.keep(0, stretch.text.length)
  return rewriter.finish()
}

function metaspace(part: Part): PreTokenizer {
  const mark = asText(part.replacement, '`replacement` of the pre-tokenizer')
  // Files from before `prepend_scheme` say `add_prefix_space`.
  const scheme = part.prepend_scheme ?? (part.add_prefix_space === false ? 'never' : 'always')
  if (scheme !== 'always' && scheme !== 'first' && scheme !== 'never') {
    throw damagedPart(`\`prepend_scheme\` is ${JSON.stringify(scheme)}, not always, first or never`)
  }
  const split =
    part.split === false ? undefined : splitter(readPattern({ String: mark }, ''), 'MergedWithNext', false)
  return (stretch) => {
    const marked = replaceAll(stretch, / /g, mark)
    const prepends = scheme === 'always' || (scheme === 'first' && stretch.start === 0)
    const opened = prepends && !marked.text.startsWith(mark) ? prefixed(marked, mark) : marked
    return split ? split(opened) : [opened]
  }
}
