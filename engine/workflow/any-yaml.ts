/**
 * @file Any YAML text into values with positions. Stricter than YAML: no duplicate keys, no merge keys, no custom tags,
 * one document, bounded nesting and aliases, finite numbers.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Document, Pair, Scalar } from 'yaml'
import type { SourceRange } from '../diagnostic.ts'
import { flowRoot } from '../flow-root.ts'
import type { Faults } from './faults.ts'
import { LineIndex } from './line-index.ts'
import type { ParsedYaml } from './parse-yaml.ts'
import { type MaskedText, restoreTemplates, type TemplateSpan } from './template.ts'
import { explainSyntax } from './yaml-syntax.ts'
import type { Spot, YamlEntry, YamlMap, YamlScalar, YamlValue } from './yaml-value.ts'

const MAX_NESTING = 64
/** Values that all aliases of a file together may stand for. */
const MAX_ALIASED_VALUES = 10_000

/** The library, loaded with the first text that needs it: 30 ms. */
const yaml = (): typeof import('yaml') => createRequire(join(flowRoot, 'package.json'))('yaml')

/** Of any form, plain or not. */
export function parseAnyYaml(
  text: MaskedText,
  spotOf: (start: number, end: number) => Spot,
  faults: Faults,
): ParsedYaml {
  const documents = compose(text.masked, (offset) =>
    faults.add(spotOf(offset, offset + 1), 'too-deep', `nested more than ${MAX_NESTING} levels deep`),
  )
  if (documents === undefined) return { root: undefined, syntaxFaults: [] }
  const [document, second] = documents
  if (second !== undefined) {
    const start = second.range[0]
    faults.add(
      spotOf(start, start),
      'several-documents',
      'a workflow file holds one YAML document',
      'remove the `---`',
    )
  }
  if (document === undefined) return { root: undefined, syntaxFaults: [] }

  const syntaxFaults: SourceRange[] = []
  for (const error of [...document.errors, ...document.warnings]) {
    const { range, message } = explainSyntax(text.source, error)
    syntaxFaults.push(range)
    faults.add(spotOf(range.start, range.end), 'yaml-syntax', message)
  }
  const converter = new Converter(text, spotOf, faults)
  const root = converter.convertDocument(document)
  return { root: converter.hasTooManyAliases ? undefined : root, syntaxFaults }
}

/** Undefined where it is nested too deep: the composer is recursive, so depth is measured before it runs. */
function compose(source: string, tooDeep: (offset: number) => void): Document.Parsed[] | undefined {
  const { Composer, Lexer, Parser } = yaml()
  const parser = new Parser()
  const tokens = []
  for (const lexeme of new Lexer().lex(source)) {
    for (const token of parser.next(lexeme)) tokens.push(token)
    // The document and the scalar at hand lie on the stack too.
    if (parser.stack.length > MAX_NESTING + 2) {
      tooDeep(Math.max(0, parser.offset - 1))
      return undefined
    }
  }
  for (const token of parser.end()) tokens.push(token)
  const composer = new Composer({
    version: '1.2',
    schema: 'core',
    merge: false,
    uniqueKeys: false,
    prettyErrors: false,
  })
  return [...composer.compose(tokens)] as Document.Parsed[]
}

interface Converted {
  readonly value: YamlValue
  /** How many values it stands for, aliases followed. */
  readonly size: number
}

class Converter {
  readonly #text: MaskedText
  readonly #spotOf: (start: number, end: number) => Spot
  readonly #faults: Faults
  readonly #yaml = yaml()
  readonly #anchors = new Map<string, Converted>()
  #aliasedValues = 0
  #lines: LineIndex | undefined

  constructor(text: MaskedText, spotOf: (start: number, end: number) => Spot, faults: Faults) {
    this.#text = text
    this.#spotOf = spotOf
    this.#faults = faults
  }

  get hasTooManyAliases(): boolean {
    return this.#aliasedValues > MAX_ALIASED_VALUES
  }

  convertDocument(document: Document.Parsed): YamlValue | undefined {
    const { contents } = document
    if (contents === null) return undefined
    const { value } = this.#convert(contents, contents.range[0])
    const isEmpty = value.kind === 'scalar' && value.value === null
    return isEmpty ? undefined : value
  }

  /** `at`: where a value that is not written at all (`key:`) would stand. */
  #convert(node: unknown, at: number): Converted {
    const { isAlias, isMap, isScalar, isSeq } = this.#yaml
    if (isAlias(node)) return this.#alias(node.source, this.#spot(node.range, at))
    let converted: Converted
    if (isMap(node)) converted = this.#map(node.items, this.#spot(node.range, at))
    else if (isSeq(node)) {
      const items = node.items.map((item) => this.#convert(item, at))
      converted = {
        value: { kind: 'list', items: items.map((item) => item.value), spot: this.#spot(node.range, at) },
        size: sizeOf(items),
      }
    } else converted = { value: this.#scalar(isScalar(node) ? node : undefined, at), size: 1 }
    const anchor = isMap(node) || isSeq(node) || isScalar(node) ? node.anchor : undefined
    // Registered once complete: an alias within its own anchor finds nothing, so no value contains itself.
    if (anchor !== undefined) this.#anchors.set(anchor, converted)
    return converted
  }

  #alias(name: string, spot: Spot): Converted {
    const nothing: Converted = {
      value: { kind: 'scalar', value: null, templates: [], spot },
      size: 1,
    }
    const target = this.#anchors.get(name)
    if (target === undefined) {
      this.#faults.add(spot, 'unknown-alias', `no anchor \`&${name}\` stands before this alias`)
      return nothing
    }
    if (this.hasTooManyAliases) return nothing
    this.#aliasedValues += target.size
    if (this.hasTooManyAliases) {
      this.#faults.add(
        spot,
        'too-many-aliases',
        `the file's aliases stand for more than ${MAX_ALIASED_VALUES} values`,
      )
      return nothing
    }
    return target
  }

  #map(pairs: readonly Pair[], spot: Spot): Converted {
    const { isScalar } = this.#yaml
    const entries = new Map<string, YamlEntry>()
    const values: Converted[] = []
    for (const pair of pairs) {
      const key = pair.key
      if (key !== null && !isScalar(key)) {
        const range = (key as { range?: [number, number, number] }).range
        this.#faults.add(this.#spot(range, spot.range?.start ?? 0), 'bad-key', 'a key must be a plain name')
        continue
      }
      const scalar = this.#scalar(key ?? undefined, spot.range?.start ?? 0)
      const name = keyName(scalar, key?.source)
      const isDuplicate = entries.has(name)
      if (isDuplicate) {
        this.#faults.add(
          scalar.spot,
          'duplicate-key',
          `\`${name}\` is given twice`,
          this.#firstAt(entries.get(name)),
        )
      }
      if (scalar.templates.length > 0) {
        this.#faults.add(scalar.spot, 'misplaced-reference', 'a key cannot be a reference')
      }
      const value = this.#convert(pair.value, key?.range?.[1] ?? 0)
      values.push(value)
      if (name === '<<' && key?.type === 'PLAIN') {
        this.#faults.add(scalar.spot, 'merge-key', 'merge keys are not supported', 'write the fields out')
      } else if (!isDuplicate) entries.set(name, { key: name, keySpot: scalar.spot, value: value.value })
    }
    return { value: { kind: 'map', entries, spot } satisfies YamlMap, size: sizeOf(values) }
  }

  #firstAt(entry: YamlEntry | undefined): string | undefined {
    if (entry?.keySpot.range === undefined) return undefined
    this.#lines ??= new LineIndex(this.#text.source)
    return `first given in line ${this.#lines.locate(entry.keySpot.range.start).line}`
  }

  #scalar(node: Scalar | undefined, at: number): YamlScalar {
    const spot = this.#spot(node?.range, at)
    const value = node?.value ?? null
    if (typeof value === 'string') return this.#string(value, node?.range, spot)
    if (typeof value === 'number')
      return { kind: 'scalar', value: this.#number(value, node?.source, spot), templates: [], spot }
    return { kind: 'scalar', value: typeof value === 'boolean' ? value : null, templates: [], spot }
  }

  #string(value: string, range: readonly number[] | null | undefined, spot: Spot): YamlScalar {
    if (!range || !value.includes(this.#text.filler)) return { kind: 'scalar', value, templates: [], spot }
    const spans = this.#spansWithin(range[0]!, range[1]!)
    return { kind: 'scalar', ...restoreTemplates(value, spans, this.#text, this.#spotOf), spot }
  }

  #number(value: number, written: string | undefined, spot: Spot): number {
    if (!Number.isFinite(value)) {
      this.#faults.add(spot, 'bad-number', `\`${written}\` is not a finite number`)
      return 0
    }
    if (Number.isInteger(value) && !Number.isSafeInteger(value) && /^[-+]?\d+$/.test(written ?? '')) {
      this.#faults.add(
        spot,
        'bad-number',
        `\`${written}\` is too large to be kept exactly`,
        'quote it where it is text',
      )
    }
    return value === 0 ? 0 : value
  }

  #spansWithin(start: number, end: number): TemplateSpan[] {
    let low = 0
    let high = this.#text.spans.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#text.spans[middle]!.start < start) low = middle + 1
      else high = middle
    }
    const first = low
    while (low < this.#text.spans.length && this.#text.spans[low]!.start < end) low++
    return this.#text.spans.slice(first, low)
  }

  /** Without the line ends and blanks that YAML counts in. */
  #spot(range: readonly number[] | null | undefined, at: number): Spot {
    if (!range) return this.#spotOf(at, at)
    const start = range[0]!
    let end = range[1]!
    while (end > start && /\s/.test(this.#text.source[end - 1]!)) end--
    return this.#spotOf(start, end)
  }
}

function keyName(scalar: YamlScalar, source: string | undefined): string {
  if (typeof scalar.value === 'string') return scalar.value
  return source ?? String(scalar.value ?? '')
}

function sizeOf(parts: readonly Converted[]): number {
  return parts.reduce((sum, part) => sum + part.size, 1)
}
