import { describe, expect, test } from 'vitest'
import { compareOutlines } from '../../engine/fingerprint/compare-outlines.ts'
import { outlineOf } from '../../engine/fingerprint/outline.ts'
import { listTree, type TreeEntry } from '../../engine/fingerprint/tree.ts'
import type { ContentHash } from '../../engine/identity.ts'

type Content = string | Buffer

const differenceOf = (before: Content, after: Content) =>
  compareOutlines(outlineOf(Buffer.from(before)), outlineOf(Buffer.from(after)))

const listing = (files: Readonly<Record<string, string>>, program = false) =>
  listTree(
    Object.entries(files).map(
      ([path, hash]): TreeEntry => ({
        kind: 'file',
        path,
        executable: program,
        hash: hash.repeat(64) as ContentHash,
        sizeBytes: 1,
      }),
    ),
  ).text

describe('where two values differ', () => {
  test.each<[string, Content, Content, string]>([
    ['one row', '[1,2,3]', '[1,5,3]', '1 of 3 rows differs (row 2)'],
    ['rows of JSON lines', '{"a":1}\n{"a":2}\n', '{"a":3}\n{"a":4}\n', '2 of 2 rows differ (first: row 1)'],
    ['a row that was added', '[1,2]', '[1,7,2]', '1 row added to 2 (row 2)'],
    ['rows that were added', '{"a":1}\n', '{"a":1}\n{"a":2}\n{"a":3}\n', '2 rows added to 1 (first: row 2)'],
    ['rows that were removed', '[1,2,3,4]', '[3,4]', '2 of 4 rows removed (first: row 1)'],
    ['some of both', '[1,2,3]', '[9,2,3,4]', '1 of 3 rows differs, 1 added (first: row 1)'],
    ['a doubled row', '[1,1,2]', '[1,2]', '1 of 3 rows removed (row 2)'],
    ['the order of rows', '[1,2,3]', '[1,3,2]', 'the order of its rows differs (first: row 2)'],
    ['layout alone', '[{"a":1,"b":2}]', '[\n { "b": 2, "a": 1 }\n]', 'the same rows, written differently'],
    ['JSON and JSON lines', '[{"a":1},{"a":2}]', '{"a":1}\n{"a":5}\n', '1 of 2 rows differs (row 2)'],
    ['lines of text', 'one\ntwo\n', 'one\n2\n', '1 of 2 lines differs (line 2)'],
    ['line ends alone', 'one\ntwo\n', 'one\r\ntwo\r\n', 'the same lines, written differently'],
    ['fields of an object', '{"a":1,"b":2}', '{"b":3,"c":1}', 'a removed, b changed, c added'],
    [
      'many fields',
      '{"a":1,"b":2,"c":3,"d":4,"e":5}',
      '{}',
      'a removed, b removed, c removed and 2 more fields',
    ],
    [
      'files',
      listing({ 'a.json': '1', b: '2' }),
      listing({ 'a.json': '3', b: '2', c: '4' }),
      'a.json changed, c added',
    ],
    ['an exec bit', listing({ a: '1' }), listing({ a: '1' }, true), 'a changed'],
    ['a folder and a file', listing({ a: '1' }), 'text', 'a folder became a file'],
    ['other bytes', Buffer.from([0, 1]), Buffer.alloc(2000), '2 B -> 2.0 kB'],
    ['sizes that read the same', Buffer.alloc(100_001), Buffer.alloc(100_002), '100001 B -> 100002 B'],
    ['bytes of one size', Buffer.from([0, 1]), Buffer.from([0, 2]), 'other bytes, 2 B as before'],
    ['text that became rows', 'a line\n', '[1]', '7 B -> 3 B'],
    ['numbers beyond what JSON holds', '[1e999]', '[2]', 'its only row differs'],
    ['broken text', Buffer.from([0xff]), 'x', 'other bytes, 1 B as before'],
  ])('%s', (_name, before, after, text) => {
    expect(differenceOf(before, after).text).toBe(text)
  })

  test('is counted as well as told', () => {
    expect(differenceOf('[1,2,3]', '[9,2,3,4]')).toEqual({
      text: '1 of 3 rows differs, 1 added (first: row 1)',
      unit: 'row',
      changed: 1,
      added: 1,
      removed: 0,
      first: 1,
    })
  })
})
