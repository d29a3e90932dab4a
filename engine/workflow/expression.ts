/**
 * @file What may stand in `${{ ... }}`: references, literals, `==`, `!=`, `&&`, `||`, `??`, `!` and brackets. No
 * arithmetic, no functions. `&&` and `||` give one of their operands, as in JavaScript; `??` gives the right one where
 * the left is null or does not exist.
 */
import type { Template } from './template.ts'

export type Operator = '==' | '!=' | '&&' | '||' | '??'

export interface PathSegment {
  readonly name: string
  /** Offsets into the template's text. */
  readonly start: number
  readonly end: number
}

export type Expression =
  | { readonly kind: 'literal'; readonly value: null | boolean | number | string }
  /** `params.x`, `inputs.x`, `nodes.n.port`, `nodes.n.*.port`, `matrix.x`, `each`, `each.x`, `round`. */
  | { readonly kind: 'reference'; readonly segments: readonly PathSegment[] }
  | { readonly kind: 'not'; readonly operand: Expression }
  | {
      readonly kind: 'binary'
      readonly operator: Operator
      readonly left: Expression
      readonly right: Expression
    }

export interface Malformed {
  readonly kind: 'malformed'
  readonly message: string
  readonly hint: string
}

const FORMS = 'write `${{ params.NAME }}` or `${{ nodes.NODE.PORT }}`'
const TOKEN =
  /\s*(?:(?<path>[A-Za-z_][A-Za-z0-9_-]*(?:\.(?:[A-Za-z_][A-Za-z0-9_-]*|\*))*)(?![\w.*])|(?<number>-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?![\w.])|'(?<single>(?:[^']|'')*)'|"(?<double>[^"]*)"|(?<operator>==|!=|&&|\|\||\?\?|[!()]))/y
/** The usual case, which has no need of a grammar. */
const ONE_PATH = /^\s*([A-Za-z_][A-Za-z0-9_-]*(?:\.(?:[A-Za-z_][A-Za-z0-9_-]*|\*))+)\s*$/
const WORDS: Readonly<Record<string, null | boolean>> = { true: true, false: false, null: null }
/** Deeper than anybody writes, and shallow enough for a stack. */
const MAX_DEPTH = 50

const parsed = new WeakMap<Template, Expression | Malformed>()

/** Remembered by the template: a file's expressions are read several times while it is loaded. */
export function parseExpression(template: Template): Expression | Malformed {
  let expression = parsed.get(template)
  if (expression === undefined) {
    expression = parse(template)
    parsed.set(template, expression)
  }
  return expression
}

/** All references of an expression, in the order in which they are written. */
export function referencesIn(expression: Expression): (Expression & { kind: 'reference' })[] {
  switch (expression.kind) {
    case 'literal':
      return []
    case 'reference':
      return [expression]
    case 'not':
      return referencesIn(expression.operand)
    case 'binary':
      return [...referencesIn(expression.left), ...referencesIn(expression.right)]
    default:
      return expression satisfies never
  }
}

function parse(template: Template): Expression | Malformed {
  if (!template.closed) {
    return { kind: 'malformed', message: 'reference is not closed by `}}`', hint: FORMS }
  }
  const inner = template.text.slice(3, -2)
  if (inner.trim() === '') return { kind: 'malformed', message: 'reference is empty', hint: FORMS }
  const path = ONE_PATH.exec(inner)?.[1]
  try {
    if (path !== undefined) return referenceTo(path, '${{'.length + inner.indexOf(path))
    return new Parser(inner.trimEnd(), '${{'.length).whole()
  } catch (error) {
    if (error instanceof Unreadable) return { kind: 'malformed', ...error.fault }
    throw error
  }
}

class Unreadable extends Error {
  readonly fault: Omit<Malformed, 'kind'>
  constructor(fault: Omit<Malformed, 'kind'>) {
    super(fault.message)
    this.fault = fault
  }
}

interface Token {
  readonly kind: 'path' | 'number' | 'string' | 'operator'
  readonly text: string
  readonly start: number
}

/** Loosest first; all of a level bind from the left. */
const LEVELS: readonly (readonly Operator[])[] = [['||', '??'], ['&&'], ['==', '!=']]

class Parser {
  readonly #source: string
  /** Of the source in the template. */
  readonly #offset: number
  readonly #tokens: readonly Token[]
  #next = 0

  constructor(source: string, offset: number) {
    this.#source = source
    this.#offset = offset
    this.#tokens = this.#split()
  }

  whole(): Expression {
    const expression = this.#binary(0, 0)
    const rest = this.#tokens[this.#next]
    if (rest !== undefined) throw this.#unreadable(`\`${rest.text}\` is not expected there`)
    return expression
  }

  #split(): Token[] {
    const tokens: Token[] = []
    TOKEN.lastIndex = 0
    while (TOKEN.lastIndex < this.#source.length) {
      const from = TOKEN.lastIndex
      const groups = TOKEN.exec(this.#source)?.groups
      if (groups === undefined) {
        const rest = this.#source.slice(from).trim()
        // One path with a slip in it is the usual case, and has no need of a grammar.
        if (/^\S*$/.test(this.#source.trim())) throw this.#unreadable(undefined)
        throw this.#unreadable(`cannot be read from \`${rest.slice(0, 20)}\` on`)
      }
      const start = from + this.#source.slice(from).search(/\S/)
      const { path, number, single, double, operator } = groups
      if (path !== undefined) tokens.push({ kind: 'path', text: path, start })
      else if (number !== undefined) tokens.push({ kind: 'number', text: number, start })
      else if (operator !== undefined) tokens.push({ kind: 'operator', text: operator, start })
      else tokens.push({ kind: 'string', text: single?.replaceAll("''", "'") ?? double ?? '', start })
    }
    return tokens
  }

  #binary(level: number, depth: number): Expression {
    const operators = LEVELS[level]
    if (operators === undefined) return this.#unary(depth)
    let left = this.#binary(level + 1, depth)
    for (;;) {
      const token = this.#tokens[this.#next]
      const operator = operators.find((one) => token?.kind === 'operator' && token.text === one)
      if (operator === undefined) return left
      this.#next += 1
      left = { kind: 'binary', operator, left, right: this.#binary(level + 1, depth) }
    }
  }

  #unary(depth: number): Expression {
    if (depth > MAX_DEPTH) throw this.#unreadable('is nested too deep')
    const token = this.#tokens[this.#next++]
    if (token === undefined) throw this.#unreadable('ends where a value should stand')
    switch (token.kind) {
      case 'number':
        return { kind: 'literal', value: Number(token.text) === 0 ? 0 : Number(token.text) }
      case 'string':
        return { kind: 'literal', value: token.text }
      case 'path':
        if (Object.hasOwn(WORDS, token.text)) return { kind: 'literal', value: WORDS[token.text] ?? null }
        return referenceTo(token.text, this.#offset + token.start)
      case 'operator':
        break
      default:
        token.kind satisfies never
    }
    if (token.text === '!') return { kind: 'not', operand: this.#unary(depth + 1) }
    if (token.text !== '(') throw this.#unreadable(`\`${token.text}\` is not expected there`)
    const inner = this.#binary(0, depth + 1)
    const closing = this.#tokens[this.#next++]
    if (closing?.text !== ')') throw this.#unreadable('has a `(` that is not closed')
    return inner
  }

  /** Without a `reason`, the whole is called no reference at all. */
  #unreadable(reason: string | undefined): Unreadable {
    const shown = `\`${this.#source.trim()}\``
    if (reason === undefined) return new Unreadable({ message: `${shown} is not a reference`, hint: FORMS })
    const hint = 'only references, literals, `==`, `!=`, `&&`, `||`, `??`, `!` and brackets may stand there'
    return new Unreadable({ message: `${shown}: ${reason}`, hint })
  }
}

/** `at`: where the path stands in the template's text. */
function referenceTo(path: string, at: number): Expression {
  let start = at
  const names = path.split('.')
  const hint = misuse(names)
  if (hint !== undefined) throw new Unreadable({ message: `\`${path}\` is not a reference`, hint })
  const segments = names.map((name): PathSegment => {
    const segment = { name, start, end: start + name.length }
    start = segment.end + 1
    return segment
  })
  return { kind: 'reference', segments }
}

/** How to mend a path that is no reference; undefined where it is one. */
function misuse(names: readonly string[]): string | undefined {
  const [root, first, second, third] = names
  const splat = names.indexOf('*')
  const count = names.length
  switch (root) {
    case 'params':
    case 'inputs':
    case 'matrix':
      if (count === 2 && splat < 0) return undefined
      if (first === undefined || first === '*') break
      return `did you mean \`\${{ ${root}.${first} }}\`?`
    case 'each':
      if (splat < 0) return undefined
      break
    case 'round':
      if (count === 1) return undefined
      return 'did you mean `${{ round }}`?'
    case 'nodes':
      if (first === undefined || first === '*') break
      if (second === undefined || (second === '*' && third === undefined))
        return `name an output too: \`\${{ ${names.join('.')}.PORT }}\``
      if (splat < 0)
        return count === 3 ? undefined : `did you mean \`\${{ nodes.${first}.${names.at(-1)} }}\`?`
      if (splat === 2 && count === 4 && third !== '*') return undefined
      return `did you mean \`\${{ nodes.${first}.*.${names.at(-1)} }}\`?`
    case 'param':
      if (count === 2) return `did you mean \`\${{ params.${first} }}\`?`
      break
    case 'input':
      if (count === 2) return `did you mean \`\${{ inputs.${first} }}\`?`
      break
    case 'node':
      if (count === 3) return `did you mean \`\${{ nodes.${first}.${second} }}\`?`
      break
  }
  return FORMS
}
