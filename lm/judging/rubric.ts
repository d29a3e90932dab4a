/**
 * @file What a judge is asked: a text with `{question}` and `{reply}` in it, or with `{reply_a}` and `{reply_b}` for a
 * comparison. Front matter between lines of `---` may say how the verdict is read:
 *
 *   ---
 *   mode: score          # or pairwise; the placeholders tell, if this does not
 *   minimum: 0           # of scores
 *   maximum: 5
 *   opening: "Score:"    # what each verdict is made to begin with
 *   pattern: 'score: (\d+)'
 *   ---
 */
import { readFileSync } from 'node:fs'
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml'
import { LmFailure } from '../failure.ts'
import { preferencePattern, scorePattern } from './verdict.ts'

export interface Rubric {
  readonly mode: 'score' | 'pairwise'
  readonly text: string
  /** Regular expression, any case; its first group is the score, or the letter of the better reply. */
  readonly pattern: string
  readonly minimum: number
  readonly maximum: number
  readonly opening: string
  /** Whether the text shows the judge a right answer. */
  readonly usesReference: boolean
}

const placeholders = {
  score: ['question', 'reply'],
  pairwise: ['question', 'reply_a', 'reply_b'],
  /** The right answer, where a row has one. */
  reference: ['reference', 'answer'],
} as const

const settings = ['mode', 'minimum', 'maximum', 'opening', 'pattern', 'description'] as const
type Setting = (typeof settings)[number]

/** A setting of the front matter and the line on which it stands. */
interface Given {
  readonly value: unknown
  readonly line: number
}

/** @throws LmFailure `unreadable-file`, `invalid-rubric` with the line */
export function readRubric(file: string): Rubric {
  let source: string
  try {
    source = readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new LmFailure({ code: 'unreadable-file', message: `cannot read ${file} (${code})`, file })
  }
  return parseRubric(source, file)
}

/** @throws LmFailure `invalid-rubric`, with the 1-based line where a file is named */
export function parseRubric(source: string, file?: string): Rubric {
  const invalid = (message: string, line: number, hint?: string) =>
    new LmFailure({
      code: 'invalid-rubric',
      message,
      ...(file !== undefined && { file, line }),
      ...(hint !== undefined && { hint }),
    })
  const { matter, text, firstLine } = split(source, invalid)
  const given = readSettings(matter, invalid)
  checkPlaceholders(text, firstLine, invalid)
  const mode = readMode(text, given.get('mode'), invalid)
  const required = placeholders[mode].find((name) => !text.includes(`{${name}}`))
  if (required !== undefined) {
    const names = placeholders[mode].map((name) => `{${name}}`).join(' and ')
    throw invalid(`the rubric has no {${required}}`, firstLine, `write ${names} into its text`)
  }
  const number = (name: Setting, usual: number) => {
    const { value, line } = given.get(name) ?? { value: usual, line: 1 }
    if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(`\`${name}\` is no number`, line)
    if (mode === 'pairwise' && given.has(name)) {
      throw invalid(`\`${name}\` is for scores; this rubric compares two replies`, line)
    }
    return value
  }
  const words = (name: Setting, usual: string) => {
    const { value, line } = given.get(name) ?? { value: usual, line: 1 }
    if (typeof value !== 'string') throw invalid(`\`${name}\` is no text`, line)
    return value
  }
  const [minimum, maximum] = [number('minimum', 0), number('maximum', mode === 'score' ? 5 : 1)]
  if (minimum >= maximum) {
    const line = given.get('minimum')?.line ?? given.get('maximum')?.line ?? 1
    throw invalid(`\`minimum\` ${minimum} is not below \`maximum\` ${maximum}`, line)
  }
  const pattern = words('pattern', mode === 'score' ? scorePattern : preferencePattern)
  const patternFault = faultOfPattern(pattern)
  if (patternFault !== undefined) throw invalid(patternFault, given.get('pattern')?.line ?? 1)
  words('description', '')
  return {
    mode,
    text,
    pattern,
    minimum,
    maximum,
    opening: words('opening', ''),
    usesReference: placeholders.reference.some((name) => text.includes(`{${name}}`)),
  }
}

type Invalid = (message: string, line: number, hint?: string) => LmFailure

/** Front matter and text; `firstLine` is the 1-based line on which the text begins. */
function split(source: string, invalid: Invalid): { matter: string; text: string; firstLine: number } {
  const lines = source.replace(/^\ufeff/, '').split(/\r?\n/)
  const end =
    lines[0]?.trimEnd() === '---' ? lines.findIndex((line, at) => at > 0 && /^---\s*$/.test(line)) : 0
  if (end === -1) throw invalid('the front matter has no closing line of `---`', 1)
  const bodyStart = end === 0 ? 0 : end + 1
  const blank = lines.slice(bodyStart).findIndex((line) => line.trim() !== '')
  if (blank === -1) throw invalid('the rubric has no text', lines.length)
  return {
    matter: lines.slice(1, Math.max(1, end)).join('\n'),
    text: lines.slice(bodyStart).join('\n').trim(),
    firstLine: bodyStart + blank + 1,
  }
}

function readSettings(matter: string, invalid: Invalid): ReadonlyMap<Setting, Given> {
  const given = new Map<Setting, Given>()
  if (matter.trim() === '') return given
  const lines = new LineCounter()
  const document = parseDocument(matter, { lineCounter: lines, prettyErrors: false })
  // The opening `---` is line 1 of the file.
  const lineAt = (offset: number) => lines.linePos(offset).line + 1
  const [broken] = document.errors
  if (broken !== undefined)
    throw invalid(`the front matter is no YAML: ${broken.message}`, lineAt(broken.pos[0]))
  if (!isMap(document.contents)) throw invalid('the front matter is no list of `name: value`', 2)
  for (const { key, value } of document.contents.items) {
    const name = isScalar(key) ? String(key.value) : ''
    const line = isScalar(key) && key.range ? lineAt(key.range[0]) : 2
    if (!isSetting(name)) throw invalid(`unknown setting \`${name}\``, line, `known: ${settings.join(', ')}`)
    if (!isScalar(value)) throw invalid(`\`${name}\` is no single value`, line)
    given.set(name, { value: value.value, line })
  }
  return given
}

function isSetting(name: string): name is Setting {
  return (settings as readonly string[]).includes(name)
}

function readMode(text: string, given: Given | undefined, invalid: Invalid): Rubric['mode'] {
  const compares = text.includes('{reply_a}') || text.includes('{reply_b}')
  if (given === undefined) return compares ? 'pairwise' : 'score'
  if (given.value === 'score' || given.value === 'pairwise') return given.value
  throw invalid('`mode` is neither score nor pairwise', given.line)
}

/** A mistyped placeholder would be shown to the judge as it is. */
function checkPlaceholders(text: string, firstLine: number, invalid: Invalid): void {
  const known: readonly string[] = Object.values(placeholders).flat()
  const literal = /\{\{\w+\}\}|\{([A-Za-z_]{3,})\}/g
  for (const match of text.matchAll(literal)) {
    const name = match[1]
    if (name === undefined || known.includes(name)) continue
    const line = firstLine + text.slice(0, match.index).split('\n').length - 1
    const all = [...new Set(known)].map((each) => `{${each}}`).join(', ')
    throw invalid(
      `unknown placeholder {${name}}`,
      line,
      `known: ${all}; braces meant as they are: {{${name}}}`,
    )
  }
}

function faultOfPattern(pattern: string): string | undefined {
  try {
    // An alternative that is empty matches everywhere, and shows how many groups there are.
    const groups = new RegExp(`${pattern}|`).exec('')!.length - 1
    return groups === 0 ? '`pattern` has no group that holds the verdict' : undefined
  } catch (error) {
    return `\`pattern\` is no regular expression: ${(error as Error).message}`
  }
}

/** What the judge is shown besides the rubric itself. */
export type RubricValues = Readonly<
  Partial<Record<'question' | 'reply' | 'reply_a' | 'reply_b' | 'reference', string>>
>

/** The judge's user turn. Values are taken as they are, braces and all; `{{name}}` becomes `{name}`. */
export function fillRubric({ text }: Rubric, values: RubricValues): string {
  return text.replace(/\{\{(\w+)\}\}|\{(\w+)\}/g, (whole, literal: string | undefined, name: string) => {
    if (literal !== undefined) return `{${literal}}`
    const key = name === 'answer' ? 'reference' : name
    return values[key as keyof RubricValues] ?? whole
  })
}
