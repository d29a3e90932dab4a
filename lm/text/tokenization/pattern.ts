/**
 * @file Oniguruma's regular expressions, as `tokenizer.json` holds them, in JavaScript's. What is written alike means
 * other things in the two: white space, digits, case, possessive quantifiers, and the version of Unicode.
 */
import { asPart, damagedPart, unsupportedPart } from './fault.ts'

/**
 * Assigned in Unicode 17, which Oniguruma 6.9.10 does not know yet: no letters, marks, digits or symbols there. Newer
 * versions of Node know them, older ones do not; left out, both read the same.
 */
const UNICODE_17 =
  '\\u088F\\u0C5C\\u0CDC\\u1ACF-\\u1ADD\\u1AE0-\\u1AEB\\u20C1\\u2B96\\uA7CE\\uA7CF\\uA7D2\\uA7D4\\uA7F1\\uFBC3-\\uFBD2' +
  '\\uFD90\\uFD91\\uFDC8-\\uFDCE\\u{10940}-\\u{10959}\\u{10EC5}-\\u{10EC7}\\u{10ED0}-\\u{10ED8}\\u{10EFA}\\u{10EFB}' +
  '\\u{11B60}-\\u{11B67}\\u{11DB0}-\\u{11DDB}\\u{11DE0}-\\u{11DE9}\\u{16EA0}-\\u{16EB8}\\u{16EBB}-\\u{16ED3}' +
  '\\u{16FF2}-\\u{16FF6}\\u{187F8}-\\u{187FF}\\u{18D09}-\\u{18D1E}\\u{18D80}-\\u{18DF2}\\u{1CCFA}-\\u{1CCFC}' +
  '\\u{1CEBA}-\\u{1CED0}\\u{1CEE0}-\\u{1CEF0}\\u{1E6C0}-\\u{1E6DE}\\u{1E6E0}-\\u{1E6F5}\\u{1E6FE}\\u{1E6FF}\\u{1F6D8}' +
  '\\u{1F777}-\\u{1F77A}\\u{1F8D0}-\\u{1F8D8}\\u{1FA54}-\\u{1FA57}\\u{1FA8A}\\u{1FA8E}\\u{1FAC8}\\u{1FACD}\\u{1FAEA}' +
  '\\u{1FAEF}\\u{1FBFA}\\u{2B73A}-\\u{2B73F}\\u{2CEA2}-\\u{2CEAD}\\u{323B0}-\\u{33479}'

const WORD = `[[\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}]--[${UNICODE_17}]]`

/** Escapes that stand for sets; each is valid inside a class and outside. */
const SETS: Readonly<Record<string, string>> = {
  s: '\\p{White_Space}',
  S: '\\P{White_Space}',
  d: property('p', 'Nd'),
  D: property('P', 'Nd'),
  w: WORD,
  W: `[^${WORD}]`,
  h: '[0-9A-Fa-f]',
  H: '[^0-9A-Fa-f]',
}

const CHARACTERS: Readonly<Record<string, string>> = {
  n: '\\n',
  r: '\\r',
  t: '\\t',
  f: '\\f',
  v: '\\v',
  a: '\\x07',
  e: '\\x1B',
}

/** Letters that fold to an ASCII letter without being one. */
const FOLDED: Readonly<Record<string, string>> = { s: '\\u017F', k: '\\u212A' }

function property(kind: 'p' | 'P', name: string): string {
  let known = name
  try {
    new RegExp(`\\p{${name}}`, 'v')
  } catch {
    known = `Script=${name}`
  }
  const set = `[\\p{${known}}--[${UNICODE_17}]]`
  return kind === 'p' ? set : `[^${set}]`
}

const escaped = (character: string) =>
  /[()[\]{}/\-\\|^$*+?.&!#%,:;<=>@`~]/.test(character) ? `\\${character}` : character

/** A `g` expression for `{ "String": ... }` or `{ "Regex": ... }`. */
export function readPattern(value: unknown, name: string): RegExp {
  const pattern = asPart(value, name)
  if (typeof pattern.String === 'string') {
    return new RegExp([...pattern.String].map(escaped).join(''), 'gv')
  }
  if (typeof pattern.Regex !== 'string') throw damagedPart(`${name} has neither \`String\` nor \`Regex\``)
  return fromOniguruma(pattern.Regex)
}

/** Throws `unsupported-tokenizer` where an expression uses what is not translated. */
export function fromOniguruma(source: string): RegExp {
  try {
    return new RegExp(new Translator(source).alternatives(), 'gv')
  } catch (error) {
    throw unsupportedPart(`the pattern ${JSON.stringify(source)} cannot be used: ${(error as Error).message}`)
  }
}

const GROUPS = ['(?i:', '(?:', '(?=', '(?!', '(?<=', '(?<!', '(?>']

class Translator {
  #at = 0
  #foldsCase = false
  #atomics = 0
  readonly #source: string

  constructor(source: string) {
    this.#source = source
  }

  /** Up to the end, or to the `)` that closes the group. */
  alternatives(): string {
    let result = ''
    while (this.#at < this.#source.length && this.#source[this.#at] !== ')') {
      if (this.#source[this.#at] === '|') {
        this.#at++
        result += '|'
      } else {
        result += this.#quantified()
      }
    }
    return result
  }

  #quantified(): string {
    const atom = this.#atom()
    const quantifier = /^(?:[?*+]|\{\d+(?:,\d*)?\}|\{,\d+\})/.exec(this.#source.slice(this.#at))?.[0]
    if (quantifier === undefined) return atom
    this.#at += quantifier.length
    const repeated = atom + quantifier.replace('{,', '{0,')
    const next = this.#source[this.#at]
    if (next === '?' || (next === '+' && !quantifier.startsWith('{'))) {
      this.#at++
      return next === '?' ? `${repeated}?` : this.#atomic(repeated)
    }
    return repeated
  }

  /** Matches once and never gives back: what a lookahead has captured stays as it is. */
  #atomic(inner: string): string {
    const name = `atomic${this.#atomics++}`
    return `(?:(?=(?<${name}>${inner}))\\k<${name}>)`
  }

  #atom(): string {
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at)!)
    if (character === '(') return this.#group()
    if (character === '[') return this.#characterClass()
    if (character === '\\') return this.#escape()
    this.#at += character.length
    if (character === '.') return '[^\\n]'
    if (character === '^') return '(?<=^|\\n)'
    if (character === '$') return '(?=\\n|$)'
    if ('*+?'.includes(character)) throw new Error(`nothing to repeat at character ${this.#at}`)
    return this.#folded(character)
  }

  #group(): string {
    const opening = GROUPS.find((prefix) => this.#source.startsWith(prefix, this.#at)) ?? '('
    if (opening === '(' && this.#source[this.#at + 1] === '?') {
      throw new Error(`a group of an unknown kind at character ${this.#at + 1}`)
    }
    this.#at += opening.length
    const foldedBefore = this.#foldsCase
    if (opening === '(?i:') this.#foldsCase = true
    const inner = this.alternatives()
    this.#foldsCase = foldedBefore
    if (this.#source[this.#at] !== ')') throw new Error('a group is not closed')
    this.#at++
    if (opening === '(?>') return this.#atomic(inner)
    return `${opening === '(?i:' || opening === '(' ? '(?:' : opening}${inner})`
  }

  #escape(): string {
    const rest = this.#source.slice(this.#at)
    const named = /^\\([pP])\{(\^?)([^}]*)\}/.exec(rest)
    if (named) {
      this.#at += named[0].length
      return property(named[2] === '^' ? 'P' : (named[1] as 'p' | 'P'), named[3]!)
    }
    const code = /^\\(?:x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4}))/.exec(rest)
    if (code) {
      this.#at += code[0].length
      return `\\u{${code[1] ?? code[2] ?? code[3]}}`
    }
    const character = String.fromCodePoint(rest.codePointAt(1) ?? 0)
    this.#at += 1 + character.length
    const known = SETS[character] ?? CHARACTERS[character]
    if (known !== undefined) return known
    if (rest.length < 2 || /[A-Za-z0-9]/.test(character)) throw new Error(`unknown escape \\${character}`)
    return escaped(character)
  }

  #characterClass(): string {
    let result = '['
    this.#at++
    if (this.#source[this.#at] === '^') {
      result += '^'
      this.#at++
    }
    const first = this.#at
    while (this.#source[this.#at] !== ']' || this.#at === first) {
      if (this.#at >= this.#source.length) throw new Error('a character class is not closed')
      const rest = this.#source.slice(this.#at)
      if (rest.startsWith('[:') || rest.startsWith('&&')) throw new Error(`${rest.slice(0, 2)} in a class`)
      if (rest.startsWith('[')) {
        result += this.#characterClass()
      } else if (rest.startsWith('\\')) {
        result += this.#escape()
      } else {
        const character = String.fromCodePoint(rest.codePointAt(0)!)
        this.#at += character.length
        const isRange = character === '-' && this.#at - 1 > first && !this.#source.startsWith(']', this.#at)
        result += isRange ? '-' : this.#foldsCase ? this.#folded(character) : escaped(character)
      }
    }
    this.#at++
    return `${result}]`
  }

  #folded(character: string): string {
    if (!this.#foldsCase || !/[A-Za-z]/.test(character)) return escaped(character)
    const lower = character.toLowerCase()
    return `[${lower}${lower.toUpperCase()}${FOLDED[lower] ?? ''}]`
  }
}
