/**
 * @file The shipped workflow files, mutated a thousand times by a seeded hand: each is either valid or refused with a
 * position, never with a stack trace, and never slowly.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { loadCatalog } from '../../engine/stage/load-catalog.ts'
import { loadWorkflow } from '../../engine/workflow/load.ts'
import { seededRandom } from '../seeded-random.ts'

const root = join(import.meta.dirname, '../..')
const rounds = 1000
const names = readdirSync(join(root, 'workflows')).filter((name) => name.endsWith('.yaml'))
const sources = names.map((name) => readFileSync(join(root, 'workflows', name), 'utf8'))
const fragments = [
  ...[
    '${{',
    '}}',
    '${{ params.model }}',
    '${{ nodes.sft.adapter }}',
    '${{ nodes.sft.*.log }}',
    '${{ round == 1 && ',
    '??',
  ],
  ...[
    '{',
    '}',
    '[',
    ']',
    ': ',
    '- ',
    '\n',
    '\n  ',
    '\t',
    '"',
    "'",
    '#',
    '&a ',
    '*a',
    '<<: *a',
    '!!binary ',
    '---\n',
    '|',
    '>',
  ],
  ...[
    'nodes:',
    'uses: sft',
    'uses: ./self-reward-round.yaml',
    'when: false',
    'foreach: [1, 2]',
    'matrix: { a: [1] }',
  ],
  ...[
    'repeat: { times: 3, carry: { adapter: adapter } }',
    'include: x.yaml',
    '../../etc/passwd',
    '/etc/passwd',
    '__proto__: 1',
  ],
  ...[
    'null',
    'true',
    '1e999',
    '-0',
    '99999999999999999999',
    '.nan',
    '\u0000',
    '\ufeff',
    '\ud800',
    '\ue000',
    'ä'.normalize('NFD'),
  ],
  ...[
    'constructor',
    'toString: {}',
    '[[[[[[[[[[',
    '{a: {b: {c: '.repeat(20),
    '? [x] : y',
    '%YAML 1.1\n',
    '&b [*b]',
    'retry: -1',
  ],
]

function mutate(source: string, other: string, random: () => number): string {
  const at = (length: number) => Math.floor(random() * length)
  let text = source
  for (let count = 1 + at(4); count > 0; count--) {
    const [start, length] = [at(text.length), 1 + at(12)]
    const lines = text.split('\n')
    switch (at(8)) {
      case 0:
        text = text.slice(0, start) + text.slice(start + length)
        break
      case 1:
        text = text.slice(0, start) + fragments[at(fragments.length)] + text.slice(start)
        break
      case 2:
        text = text.slice(0, start) + fragments[at(fragments.length)] + text.slice(start + length)
        break
      case 3:
        lines.splice(at(lines.length), 1 + at(3))
        text = lines.join('\n')
        break
      case 4: {
        const line = at(lines.length)
        lines.splice(at(lines.length), 0, ...lines.slice(line, line + 1 + at(6)))
        text = lines.join('\n')
        break
      }
      case 5: {
        const from = at(other.length)
        text = text.slice(0, start) + other.slice(from, from + 200) + text.slice(start)
        break
      }
      case 6:
        text = text.slice(0, start) + String.fromCharCode(at(128)) + text.slice(start + 1)
        break
      default:
        lines[at(lines.length)] = ' '.repeat(at(9)) + (lines[at(lines.length)] ?? '').trim()
        text = lines.join('\n')
    }
  }
  return text
}

it(`${rounds} mutated files are each valid or refused at a position`, { timeout: 240_000 }, async () => {
  const { catalog } = await loadCatalog(root)
  const random = seededRandom(20261126)
  const outcomes = { valid: 0, refused: 0 }
  const slow: string[] = []
  for (let round = 0; round < rounds; round++) {
    const pick = Math.floor(random() * sources.length)
    const source = mutate(sources[pick]!, sources[Math.floor(random() * sources.length)]!, random)
    const file = `workflows/${names[pick]}`
    const began = process.cpuUsage()
    let loaded: ReturnType<typeof loadWorkflow>
    try {
      loaded = loadWorkflow({
        ...{ file, source, catalog, fileExists: () => true },
        readFile: (path) =>
          path.includes('etc/passwd') ? undefined : sources[names.indexOf(path.slice('workflows/'.length))],
      })
    } catch (error) {
      throw new Error(`mutation ${round} of ${file} throws instead of telling:\n${source}`, { cause: error })
    }
    const { workflow, diagnostics } = loaded
    const { user, system } = process.cpuUsage(began)
    // Of the processor, not of the clock: what grows out of bounds is caught whatever the machine is busy with.
    if (user + system > 1e6) slow.push(source)
    if (workflow !== undefined) {
      outcomes.valid += 1
      expect(diagnostics).toEqual([])
      continue
    }
    outcomes.refused += 1
    expect(diagnostics.length, source).toBeGreaterThan(0)
    for (const { code, message, file: at, range } of diagnostics) {
      expect(at, message).toMatch(/^workflows\//)
      expect(range, `${code}: ${message}`).toBeDefined()
      const text = sources[names.indexOf(String(at).slice('workflows/'.length))] ?? ''
      const length = at === file ? source.length : text.length
      expect(
        range!.start >= 0 && range!.start <= range!.end && range!.end <= length,
        `${code}: ${message}`,
      ).toBe(true)
    }
  }
  expect(slow).toEqual([])
  // Both kinds are met, or the mutations are too mild or too wild to show anything.
  expect(outcomes.valid).toBeGreaterThan(50)
  expect(outcomes.refused).toBeGreaterThan(300)
})
