/** @file Which way imports run: stages -> lm, stages -> flow/stage, flow/artifacts and flow/code; engine and lm know nothing of each other. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What each room may import besides itself; anything else of the project is forbidden. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  engine: [],
  lm: [],
  stages: ['lm', 'flow/stage', 'flow/artifacts', 'flow/code'],
}

const files = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...Object.keys(allowed)],
  {
    cwd: root,
    encoding: 'utf8',
  },
)
  .split('\n')
  .filter((file) => /\.(ts|tsx|m?js)$/.test(file))

const specifier = /(?:\bfrom\s+|\bimport\s*\(\s*|\bimport\s+)['"]([^'"]+)['"]/g

/** The room of the project that `imported` leads to from `file`; undefined for packages and Node's own modules. */
function roomOf(file: string, imported: string): string | undefined {
  if (imported.startsWith('flow/')) return imported
  if (!imported.startsWith('.')) return undefined
  return normalize(join(dirname(file), imported)).split('/')[0]
}

describe('imports', () => {
  it('finds the sources', () => {
    expect(files.length).toBeGreaterThan(100)
  })

  it('run one way between the rooms', () => {
    const wrong = files.flatMap((file) => {
      const room = file.split('/')[0]!
      const code = readFileSync(join(root, file), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
      return [...code.matchAll(specifier)]
        .map((match) => match[1]!)
        .filter((imported) => {
          const target = roomOf(file, imported)
          return target !== undefined && target !== room && !allowed[room]!.includes(target)
        })
        .map((imported) => `${file} imports ${imported}`)
    })
    expect(wrong).toEqual([])
  })
})

describe('the top level', () => {
  it('holds the nine rooms and the usual root files only', () => {
    const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
    })
    const folders = new Set(
      listed
        .split('\n')
        .filter((file) => file.includes('/'))
        .map((file) => file.split('/')[0]!),
    )
    const expected = ['.ci', 'checkpoints', 'data', 'engine', 'lm', 'reports', 'stages', 'test', 'workflows']
    expect([...folders].sort()).toEqual(expected)
  })
})
