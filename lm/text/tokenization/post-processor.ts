/** @file Post-processors: what is put around the tokens of a text, and which offsets leave white space out. */
import { asId, asPart, asParts, asText, damagedPart, type Part, unsupportedPart } from './fault.ts'

export interface PostProcessor {
  readonly before: readonly number[]
  readonly after: readonly number[]
  /** The offsets of a token leave out the white space at its ends; at the text's own beginning only if not prefixed. */
  readonly trims: { readonly addsPrefixSpace: boolean } | undefined
}

const NOTHING: PostProcessor = { before: [], after: [], trims: undefined }

export function readPostProcessor(value: unknown): PostProcessor {
  if (value === null || value === undefined) return NOTHING
  const part = asPart(value, '`post_processor`')
  switch (part.type) {
    case 'Sequence':
      return asParts(part.processors, '`processors`').map(readPostProcessor).reduce(together, NOTHING)
    case 'ByteLevel':
      return part.trim_offsets === false
        ? NOTHING
        : { ...NOTHING, trims: { addsPrefixSpace: part.add_prefix_space !== false } }
    case 'TemplateProcessing':
      return template(part)
    default:
      throw unsupportedPart(`a post-processor of type ${JSON.stringify(part.type)} is not supported`)
  }
}

function together(inner: PostProcessor, outer: PostProcessor): PostProcessor {
  return {
    before: [...outer.before, ...inner.before],
    after: [...inner.after, ...outer.after],
    trims: outer.trims ?? inner.trims,
  }
}

function template(part: Part): PostProcessor {
  const specials = asPart(part.special_tokens ?? {}, '`special_tokens` of the post-processor')
  const sides: [before: number[], after: number[]] = [[], []]
  let isAfter = false
  for (const piece of asParts(part.single, '`single` of the post-processor')) {
    if (piece.Sequence !== undefined) {
      isAfter = true
      continue
    }
    const name = asText(
      asPart(piece.SpecialToken, 'a piece of the post-processor').id,
      'a special token of the post-processor',
    )
    if (!Object.hasOwn(specials, name)) {
      throw damagedPart(
        `the post-processor writes ${JSON.stringify(name)} and does not say which token that is`,
      )
    }
    const { ids } = asPart(specials[name], `special token ${JSON.stringify(name)}`)
    if (!Array.isArray(ids)) throw damagedPart(`special token ${JSON.stringify(name)} has no ids`)
    sides[isAfter ? 1 : 0].push(...ids.map((id) => asId(id, `the id of ${JSON.stringify(name)}`)))
  }
  return { before: sides[0], after: sides[1], trims: undefined }
}
