/**
 * @file `${{ ... }}` in workflow files: found in the text before YAML sees it, since its braces mean something else
 * to YAML, and put back into its strings. What they mean, `expression.ts` reads.
 */
import type { Spot } from './yaml-value.ts'

/** One `${{ ... }}` of a source text, as offsets. */
export interface TemplateSpan {
  readonly start: number
  readonly end: number
  readonly kind: 'reference' | 'unclosed' | /** `$${{ ... }}`: text, not a reference. */ 'escaped'
}

/** One `${{ ... }}` in a string value. */
export interface Template {
  /** As written, braces included. */
  readonly text: string
  /** Index of `text` in the value. */
  readonly index: number
  readonly closed: boolean
  readonly spot: Spot
}

// An unclosed reference ends where its neighbour in a flow mapping would begin; one brace may still be its own.
const TEMPLATE = /\$?\$\{\{(?:(?!\$\{\{|\}\})[^\n\r])*\}\}|\$?\$\{\{[^\n\r,}"'#$]*\}?/g

/** A text whose templates are replaced by one plain word each, of the same length: no offset moves. */
export interface MaskedText {
  readonly source: string
  readonly masked: string
  readonly spans: readonly TemplateSpan[]
  /** What the words consist of: a character that the source does not contain and YAML takes for a letter. */
  readonly filler: string
}

export function maskTemplates(source: string): MaskedText {
  const filler = unusedCharacter(source)
  const spans: TemplateSpan[] = []
  const parts: string[] = []
  let end = 0
  for (const match of source.matchAll(TEMPLATE)) {
    const text = match[0].trimEnd()
    const kind = text.startsWith('$$') ? 'escaped' : text.endsWith('}}') ? 'reference' : 'unclosed'
    spans.push({ start: match.index, end: match.index + text.length, kind })
    parts.push(source.slice(end, match.index), filler.repeat(text.length))
    end = match.index + text.length
  }
  return { source, masked: parts.join('') + source.slice(end), spans, filler }
}

function unusedCharacter(source: string): string {
  const firstOfPrivateUse = 0xe000
  const lastOfPrivateUse = 0xf8ff
  for (let code = firstOfPrivateUse; code < lastOfPrivateUse; code++) {
    const character = String.fromCharCode(code)
    if (!source.includes(character)) return character
  }
  return String.fromCharCode(lastOfPrivateUse)
}

/** Undoes the masking in one string value, whose templates are `spans`, in order. */
export function restoreTemplates(
  masked: string,
  spans: readonly TemplateSpan[],
  text: MaskedText,
  spotOf: (start: number, end: number) => Spot,
): { value: string; templates: Template[] } {
  const templates: Template[] = []
  let value = ''
  let end = 0
  for (const span of spans) {
    const length = span.end - span.start
    const index = masked.indexOf(text.filler.repeat(length), end)
    if (index < 0) continue
    value += masked.slice(end, index)
    end = index + length
    const written = text.source.slice(span.start, span.end)
    if (span.kind === 'escaped') {
      value += written.slice(1)
      continue
    }
    const closed = span.kind === 'reference'
    templates.push({ text: written, index: value.length, closed, spot: spotOf(span.start, span.end) })
    value += written
  }
  return { value: value + masked.slice(end), templates }
}
