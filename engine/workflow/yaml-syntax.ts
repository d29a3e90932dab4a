/** @file Broken YAML syntax, told at a place that can be seen and in words that need no grammar. */
import type { YAMLError } from 'yaml'
import type { SourceRange } from '../diagnostic.ts'

export function explainSyntax(
  source: string,
  { message, pos }: YAMLError,
): { range: SourceRange; message: string } {
  return { range: visibleRange(source, message, ...pos), message: plainMessage(message) }
}

const UNCLOSED = /^Missing closing|end with a [\]}]$/

/** Faults found at a line's end or in its indentation are shown at the nearest character that can be seen. */
function visibleRange(source: string, message: string, start: number, end: number): SourceRange {
  const newline = source.indexOf('\n', start)
  const lineEnd = newline < 0 ? source.length : newline
  const rest = source.slice(start, lineEnd)
  // What is not closed is noticed only where the next thing begins.
  if (rest.trim() === '' || UNCLOSED.test(message)) {
    const last = Math.max(0, source.slice(0, start).trimEnd().length - 1)
    return { start: last, end: last + 1 }
  }
  const first = end - start > 1 ? start : start + rest.length - rest.trimStart().length
  return { start: first, end: Math.max(first, Math.min(end, lineEnd)) }
}

/** YAML's own messages, some of them put into words for people who do not know its grammar. */
const MESSAGES: readonly (readonly [RegExp, string])[] = [
  [/^Missing closing (["'])quote/, 'the string is not closed by $1'],
  [
    /^Flow map in block collection must be .*/,
    'the mapping is not closed by `}`, or its lines are indented too little',
  ],
  [
    /^Flow sequence in block collection must be .*/,
    'the list is not closed by `]`, or its lines are indented too little',
  ],
  [/^Flow (?:map|sequence) must end with a (.)$/, 'not closed by `$1`'],
  [/^Unresolved tag: (.*)$/, 'the tag `$1` is not supported'],
]

function plainMessage(message: string): string {
  const first = message.split('\n')[0]!.replace(/\.$/, '')
  for (const [pattern, words] of MESSAGES) if (pattern.test(first)) return first.replace(pattern, words)
  return first.charAt(0).toLowerCase() + first.slice(1)
}
