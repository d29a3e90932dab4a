/** @file Every code that loading a workflow can report is explained to those who write workflows. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const folder = new URL('../../engine/workflow/', import.meta.url)

it('each diagnostic code stands in the table of workflows/README.md, and no other', () => {
  const sources = readdirSync(folder).map((file) => readFileSync(new URL(file, folder), 'utf8'))
  // Second argument of `add(spot, code, ...)`, or the first of a local `fault(code, ...)` or `missing(code, ...)`.
  const calls = /(?:(?:add|#add)\(\s*[^'"`]*?,|fault\(|missing\()\s*'([a-z]+(?:-[a-z]+)*)'/g
  const codes = new Set(sources.flatMap((source) => [...source.matchAll(calls)].map((match) => match[1]!)))
  const readme = readFileSync(new URL('../../workflows/README.md', import.meta.url), 'utf8')
  const documented = new Set([...readme.matchAll(/^\| `([a-z-]+)` \| /gm)].map((match) => match[1]!))
  const fields = [
    'type',
    'items',
    'optional',
    'enum',
    'default',
    'description',
    'uses',
    'in',
    'with',
    'out',
    'when',
    'repeat',
    'retry',
    'timeout',
    'stall',
    'resources',
    'env',
  ]
  for (const field of fields) documented.delete(field)
  expect([...codes].sort()).toEqual([...documented].sort())
})
