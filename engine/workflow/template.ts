/**
 * @file `${{ ... }}` in workflow files: found in the text before YAML sees it, since its braces mean something else
 * to YAML, and read as references.
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

export type Reference =
  | { readonly kind: 'param'; readonly name: string; readonly nameAt: Segment }
  | {
      readonly kind: 'output'
      readonly node: string
      readonly nodeAt: Segment
      readonly port: string
      readonly portAt: Segment
    }
  | { readonly kind: 'malformed'; readonly message: string; readonly hint: string }

/** Offsets into the template's text. */
export interface Segment {
  readonly start: number
  readonly end: number
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

const FORMS = 'write `${{ params.NAME }}` or `${{ nodes.NODE.PORT }}`'
const NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/

export function parseReference(template: Template): Reference {
  if (!template.closed) {
    return { kind: 'malformed', message: 'reference is not closed by `}}`', hint: FORMS }
  }
  const inner = template.text.slice(3, -2)
  const expression = inner.trim()
  if (expression === '') return { kind: 'malformed', message: 'reference is empty', hint: FORMS }
  const malformed = (hint: string): Reference => ({
    kind: 'malformed',
    message: `\`${expression}\` is not a reference`,
    hint,
  })
  const segments = expression.split('.')
  const [root, first, second] = segments
  if (!segments.every((segment) => NAME.test(segment))) return malformed(FORMS)
  const start = 3 + inner.indexOf(expression)
  const firstAt = segmentAt(start + root!.length + 1, first ?? '')
  if (root === 'params' && first !== undefined) {
    if (segments.length === 2) return { kind: 'param', name: first, nameAt: firstAt }
    return malformed(`did you mean \`\${{ params.${first} }}\`?`)
  }
  if (root === 'nodes' && first !== undefined && second !== undefined) {
    if (segments.length === 3) {
      return {
        kind: 'output',
        node: first,
        nodeAt: firstAt,
        port: second,
        portAt: segmentAt(firstAt.end + 1, second),
      }
    }
    const last = segments.at(-1)
    return malformed(`did you mean \`\${{ nodes.${first}.${last} }}\`?`)
  }
  if (root === 'nodes' && first !== undefined)
    return malformed(`name an output too: \`\${{ nodes.${first}.PORT }}\``)
  if (root === 'param' && segments.length === 2) return malformed(`did you mean \`\${{ params.${first} }}\`?`)
  if (root === 'node' && segments.length === 3)
    return malformed(`did you mean \`\${{ nodes.${first}.${second} }}\`?`)
  return malformed(FORMS)
}

function segmentAt(start: number, name: string): Segment {
  return { start, end: start + name.length }
}
