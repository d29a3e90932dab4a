/**
 * @file Python regular expressions, as PEFT's `target_modules`, `rank_pattern` and `layers_pattern` hold them, as
 * JavaScript ones. What JavaScript cannot say, or says with another meaning, is refused.
 */
import { LmFailure } from '../failure.ts'

/** Characters that mean something outside a class under JavaScript's `u` flag. */
const syntaxCharacters = /[\^$\\.*+?()[\]{}|/]/

/** Letters after a backslash that mean the same in both languages, for names in ASCII. */
const commonEscapes = /[dDwWsSbBnrtfv]/

/** `{}` is no quantifier in Python, `{,3}` is one. */
const quantifiers = /^(?:[*+?]|\{(?!\})(\d*)(,?)(\d*)\})/

const groups: readonly (readonly [python: RegExp, javascript: string])[] = [
  [/^\(\?P<(\w+)>/, '(?<$1>'],
  [/^\(\?:/, '(?:'],
  [/^\(\?=/, '(?='],
  [/^\(\?!/, '(?!'],
  [/^\(\?<=/, '(?<='],
  [/^\(\?<!/, '(?<!'],
  [/^\((?!\?)/, '('],
]

/**
 * The pattern's source for JavaScript's `u` flag.
 * @throws LmFailure `unsupported-pattern`: inline flags, backreferences, conditionals, possessive or atomic parts, and
 * what is no pattern in either language
 */
export function javascriptPattern(pattern: string): string {
  let rest = pattern
  let source = ''
  const take = (length: number) => {
    const taken = rest.slice(0, length)
    rest = rest.slice(length)
    return taken
  }
  while (rest !== '') {
    const [first] = rest as unknown as [string]
    const quantifier = quantifiers.exec(rest)
    if (quantifier !== null) {
      const [whole, least, comma, most] = quantifier
      take(whole.length)
      source += least === undefined ? whole : `{${least || 0}${comma}${most}}`
      if (rest.startsWith('+')) throw unsupported(pattern, `\`${whole}+\``)
      if (rest.startsWith('?')) source += take(1)
    } else if (first === '\\') {
      source += translatedEscape(pattern, take(escapeLength(rest)), false)
    } else if (first === '[') {
      source += characterClass(pattern, take(classLength(pattern, rest)))
    } else if (first === '(') {
      const group = groups.find(([python]) => python.test(rest))
      if (group === undefined) throw unsupported(pattern, `\`${rest.slice(0, 4)}\``)
      const [opening] = group[0].exec(rest)!
      source += take(opening.length).replace(...group)
    } else {
      source += /[{}\]]/.test(first) ? `\\${take(1)}` : take(1)
    }
  }
  try {
    new RegExp(source, 'u')
  } catch (error) {
    throw unsupported(pattern, (error as Error).message)
  }
  return source
}

/** `re.fullmatch(pattern, name)` as a test of names. */
export function fullMatch(pattern: string): (name: string) => boolean {
  const expression = new RegExp(`^(?:${javascriptPattern(pattern)})$`, 'u')
  return (name) => expression.test(name)
}

function escapeLength(text: string): number {
  const [code] = /^\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)/su.exec(text) ?? ['\\']
  return code.length
}

function translatedEscape(pattern: string, code: string, inClass: boolean): string {
  const [, letter] = code
  if (letter === undefined) throw unsupported(pattern, 'a backslash at its end')
  if (code.length > 2) return code
  if (inClass && letter === 'B') throw unsupported(pattern, '`\\B` in a class')
  if (commonEscapes.test(letter)) return code
  if (!inClass && letter === 'A') return '^'
  if (!inClass && letter === 'Z') return '$'
  if (/[A-Za-z0-9]/.test(letter)) throw unsupported(pattern, `\`${code}\``)
  if (letter === '-' && inClass) return code
  return syntaxCharacters.test(letter) ? code : letter
}

/** Characters up to and with the bracket that closes the class; one that stands first is an ordinary character. */
function classLength(pattern: string, text: string): number {
  const closed = /^\[\^?\]?(?:\\.|[^\]\\])*\]/s.exec(text)
  if (closed === null) throw unsupported(pattern, 'a class that is not closed')
  return closed[0].length
}

function characterClass(pattern: string, text: string): string {
  const opening = text.startsWith('[^') ? '[^' : '['
  let rest = text.slice(opening.length, -1)
  let inside = ''
  while (rest !== '') {
    const length = rest.startsWith('\\') ? escapeLength(rest) : 1
    const part = rest.slice(0, length)
    rest = rest.slice(length)
    inside += length > 1 ? translatedEscape(pattern, part, true) : /[\][]/.test(part) ? `\\${part}` : part
  }
  return `${opening}${inside}]`
}

function unsupported(pattern: string, what: string): LmFailure {
  return new LmFailure({
    code: 'unsupported-pattern',
    message: `the regular expression ${JSON.stringify(pattern)} cannot be used: ${what}`,
    hint: 'flags, backreferences, conditionals, possessive and atomic groups are not supported; a list of names always is',
  })
}
