/**
 * @file The reader of plain YAML against the reader of all of YAML: whatever it reads has the same values at the same
 * positions there, and no fault.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { parseAnyYaml } from '../../engine/workflow/any-yaml.ts'
import { Faults } from '../../engine/workflow/faults.ts'
import { readPlainYaml } from '../../engine/workflow/plain-yaml.ts'
import { maskTemplates } from '../../engine/workflow/template.ts'
import { seededRandom } from '../seeded-random.ts'

const folder = join(import.meta.dirname, '../../workflows')
const shipped = readdirSync(folder)
  .filter((name) => name.endsWith('.yaml'))
  .map((name) => readFileSync(join(folder, name), 'utf8'))

/** Whether `source` is plain; it is compared if so. */
function isReadAlike(source: string): boolean {
  const text = maskTemplates(source)
  const spotOf = (start: number, end: number) => ({ file: 'w.yaml', range: { start, end } })
  const plain = readPlainYaml(text, spotOf)
  if (plain === undefined) return false
  const faults = new Faults()
  const { root } = parseAnyYaml(text, spotOf, faults)
  expect(faults.sorted(), source).toEqual([])
  expect(plain, source).toEqual(root)
  return true
}

const words =
  `a|x y|1|-1|0|-0|1.5|2e-4|1E+3|0x1F|0o7|~|null|Null|true|TRUE|yes|007|1.|.5|+1|1_000|2024-01-01|1.2.3|...|-|- x|-x|--
---|.inf|.nan|a:b|http://x.y/z|a #b|a# b|"x y"|"a \\n b"|'it'|''|'a''b'|""|"#"|"a: b"|x\${{ params.y }}y|$\${{ no }}|\${{ unclosed
"\${{ a.b }}, c"|[\${{a}},\${{b}}]|{|}|[|{}|[ ]|?x|? x|@x|a: b|key:|!x|&a|*a|%x|\`x|a,b|a}|a{b|a - b|#c|a  b|é|日本|a\u00a0b|\u2028|😀
12345678901234567890|1234567890123456|1e999|<<|a::b|a :b|a : b|0.|e1|..|./x|a\tb|"a" b|[a] b|{a: b,}|[a,]|{a: [b, {c: d}]}|{a: 1, a: 2}
[a: b]|{a}|{a: }|{ a: b , c: d }|{a:b}|{"a": b}|{a: b #x}|[-1, - 1, -]|[a#b]|[a:,b]|{a: b:c}|{a: -}|{a: [}|{[]|"\\"q\\" \${{ a.b }}\\t"|"\\x41"|"\\ "|"\\"|'\\n'|"\\/\\\\"|>|\\x`.split(
    /[|\n]/,
  )
const plainWords = ['a', 'x y', '-1', '2e-4', 'true', '~', '"s: t"', "'t'", 'a:b', '${{ nodes.n.out }}']
const keys = ['true', '1', '<<', '"q"', '${{ k }}', 'a b', 'é', 'n.x', '?', '-', 'k'.repeat(200)]
const lineEnds = [
  '\n',
  '\n',
  '\n',
  '\n',
  ' \n',
  '\n\n',
  '  \n \n',
  ' # c\n',
  '\n# c\n',
  '\n  # c \n',
  '\n    # c\n',
]
const slips = [
  ' ',
  '\n',
  '\n  ',
  ': ',
  '- ',
  ' #',
  '"',
  "'",
  '{',
  ']',
  ',',
  '&',
  '|',
  '\t',
  '\r',
  '~',
  '?',
  '\ufeff',
]

/** Texts that are nearly plain. */
class Writer {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = seededRandom(seed)
  }

  text(): string {
    const opening = this.#pick(['', '', '', '# a\n\n# b\n', ' # ${{ x }}\n'])
    let text = this.#is(0.05) ? this.#pick(shipped) : opening + this.#map(0, 1 + this.#below(3))
    while (this.#is(0.2)) {
      const at = this.#below(text.length + 1)
      text = text.slice(0, at) + this.#pick(slips) + text.slice(at + this.#below(3))
    }
    return this.#is(0.1) ? text.trimEnd() : text
  }

  #map(indent: number, depth: number): string {
    let text = ''
    for (let count = 1 + this.#below(4); count > 0; count--) {
      const key = this.#is(0.97) ? `k${this.#is(0.01) ? 0 : count}` : this.#pick(keys)
      text += `${' '.repeat(indent + (this.#is(0.01) ? 1 : 0))}${key}:${this.#value(indent, depth)}`
      if (!text.endsWith('\n')) text += this.#pick(lineEnds)
    }
    return text
  }

  #value(indent: number, depth: number): string {
    const kind = this.#below(10)
    if (kind < 3 && depth > 0) return `\n${this.#map(indent + 1 + this.#below(3), depth - 1)}`
    if (kind < 5 && depth > 0) return `\n${this.#list(indent + this.#below(3), depth - 1)}`
    if (kind < 6) return ` ${this.#flow(depth + 1)}`
    if (kind < 7 && this.#is(0.5)) return this.#pick(['', '  '])
    return ` ${this.#word()}`
  }

  #list(indent: number, depth: number): string {
    let text = ''
    for (let count = 1 + this.#below(3); count > 0; count--) {
      const isMap = depth > 0 && this.#is(0.3)
      text += `${' '.repeat(indent)}- ${(isMap ? this.#map(indent + 2, depth - 1) : this.#value(indent, 0)).trimStart()}`
      if (!text.endsWith('\n')) text += this.#pick(lineEnds)
    }
    return text
  }

  #flow(depth: number): string {
    const blank = () => this.#pick(['', '', ' ', '  '])
    const item = () => (depth > 0 && this.#is(0.3) ? this.#flow(depth - 1) : this.#word())
    const isMap = this.#is(0.5)
    const items = Array.from({ length: this.#below(4) }, (_, index) =>
      isMap ? `f${index}:${this.#is(0.95) ? ' ' : ''}${item()}` : item(),
    )
    const inner = blank() + items.join(`${blank()},${blank()}`) + blank()
    return isMap ? `{${inner}}` : `[${inner}]`
  }

  #word(): string {
    return this.#is(0.85) ? this.#pick(plainWords) : this.#pick(words)
  }

  #is(probability: number): boolean {
    return this.#random() < probability
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(choices: readonly T[]): T {
    return choices[this.#below(choices.length)]!
  }
}

it('rule 7: 20,000 texts that are nearly plain have the values and positions that all of YAML gives them', () => {
  const writer = new Writer(20261126)
  let plain = 0
  for (let round = 0; round < 20_000; round++) if (isReadAlike(writer.text())) plain += 1
  // Both kinds are met, or nothing is compared.
  expect(plain).toBeGreaterThan(3000)
  expect(plain).toBeLessThan(17_000)
})

it('rule 7: each word alone, in a block, a list and a flow, is read as all of YAML reads it', () => {
  const plain = [...words, ...plainWords].flatMap((word) =>
    [
      `a: ${word}`,
      `- ${word}`,
      `a:\n  - ${word}\nb: c`,
      `a: [x, ${word}]`,
      `a: { x: ${word} }`,
      `${word}: a`,
    ].filter(isReadAlike),
  )
  expect(plain.length).toBeGreaterThan(150)
})

it('takes shipped workflows, and what programs write', () => {
  expect(shipped.filter(isReadAlike).length).toBeGreaterThan(3)
  const nodes = ['a', 'b', 'c'].map(
    (name) => `  ${name}: {uses: next, in: {texts: [\${{nodes.x.text}},y]}, with: {n: 1}}`,
  )
  expect(isReadAlike(`name: graph\nnodes:\n${nodes.join('\n')}\n`)).toBe(true)
})
