import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { writeSafetensors } from '../../lm/checkpoint/safetensors.ts'
import { type Comparison, compareFixture } from './compare-fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'flow-compare-'))
afterAll(() => rmSync(folder, { recursive: true }))

const TOLERANCE = { absolute: 1e-6, relative: 1e-5 }
let count = 0

function compareTexts(extension: string, made: string, committed: string): Comparison {
  const [now, before] = [made, committed].map((text) => {
    const file = join(folder, `${count++}.${extension}`)
    writeFileSync(file, text)
    return file
  })
  return compareFixture(now!, before!, TOLERANCE)
}

function compareTensors(made: Parameters<typeof writeSafetensors>[1], committed: typeof made): Comparison {
  const [now, before] = [made, committed].map((tensors) => {
    const file = join(folder, `${count++}.safetensors`)
    writeSafetensors(file, tensors)
    return file
  })
  return compareFixture(now!, before!, TOLERANCE)
}

const row = (data: number[], shape = [data.length]) => ({ shape, data: Float32Array.from(data) })

describe('a JSON fixture', () => {
  const base = { loss: 2.5, ids: [1, 2, 300], text: 'a', nothing: null, nested: [{ x: 0.001 }] }
  const against = (made: unknown) => compareTexts('json', JSON.stringify(made), JSON.stringify(base))

  test('agrees with itself, however it is laid out', () => {
    const reordered = `{ "nested": [{"x": 1e-3}], "text": "a",\n "nothing": null, "loss": 2.50, "ids": [1,2,300] }`
    expect(compareTexts('json', reordered, JSON.stringify(base))).toMatchObject({ faults: 0, floats: 2 })
  })

  test('floats may differ within the tolerance, and no further', () => {
    expect(against({ ...base, loss: 2.5 + 2.5e-5 })).toMatchObject({ faults: 0 })
    const beyond = against({ ...base, loss: 2.5 + 2.7e-5 })
    expect(beyond.firstFault).toBe('$.loss: 2.500027 now, 2.5 committed')
    expect(beyond.worstShare).toBeGreaterThan(1)
    // Small values lean on the absolute part.
    expect(against({ ...base, nested: [{ x: 0.001_001 }] }).faults).toBe(0)
    expect(against({ ...base, nested: [{ x: 0.001_002 }] }).faults).toBe(1)
  })

  test('integers are exact, also where a float stands against one', () => {
    expect(against({ ...base, ids: [1, 2, 301] }).firstFault).toBe('$.ids[2]: 301 now, 300 committed')
    expect(against({ ...base, ids: [1, 2, 300.000_1] }).faults).toBe(0)
    expect(against({ ...base, ids: [1, 2, 300.1] }).faults).toBe(1)
  })

  test.each([
    [{ ...base, text: 'b' }, '$.text: "b" now, "a" committed'],
    [{ ...base, nothing: 0 }, '$.nothing: 0 now, null committed'],
    [{ ...base, loss: null }, '$.loss: null now, 2.5 committed'],
    [{ ...base, ids: [1, 2] }, '$.ids: 2 elements now, 3 committed'],
    [{ ...base, more: 1 }, '$.more is new'],
    [{ ...base, nested: [{}] }, '$.nested[0].x is gone'],
    [[base], '$: [{"loss":2.5,"ids":[1,2,300],"text":"a"'],
  ])('%j differs', (made, fault) => {
    const { faults, firstFault } = against(made)
    expect(faults).toBe(1)
    expect(firstFault!.startsWith(fault)).toBe(true)
  })

  test('that is broken on purpose is compared as text', () => {
    expect(compareTexts('json', '{"a": ', '{"a": ').faults).toBe(0)
    expect(compareTexts('json', '{"a": 1}', '{"a": ').faults).toBe(1)
  })
})

test('JSON Lines: values by tolerance, lines by number', () => {
  expect(compareTexts('jsonl', '{"x":0.5000001}\n{"id":1}\n', '{"x":0.5}\n{"id":1}\n').faults).toBe(0)
  expect(compareTexts('jsonl', '{"x":0.5}\n{"id":2}\n', '{"x":0.5}\n{"id":1}\n').firstFault).toBe(
    'line 2.id: 2 now, 1 committed',
  )
  expect(compareTexts('jsonl', '{"x":0.5}\n', '{"x":0.5}\n{"id":1}\n').firstFault).toBe(
    '1 lines now, 2 committed',
  )
})

describe('a tensor fixture', () => {
  const base = { a: row([1, -2, 3e-7]), b: row([4, 5, 6, 7], [2, 2]) }

  test('values by tolerance', () => {
    expect(compareTensors({ ...base, a: row([1.000_01, -2, 4e-7]) }, base)).toMatchObject({
      faults: 0,
      floats: 7,
    })
    expect(compareTensors({ ...base, a: row([1.000_02, -2, 3e-7]) }, base).firstFault).toMatch(
      /^a\[0\]: 1\.0000/,
    )
    expect(compareTensors({ ...base, a: row([Number.NaN, -2, 3e-7]) }, base).faults).toBe(1)
  })

  test('names and shapes exactly', () => {
    expect(compareTensors({ ...base, b: row([4, 5, 6, 7], [4]) }, base).firstFault).toBe(
      'b: F32 [4] now, F32 [2, 2] committed',
    )
    expect(compareTensors({ a: base.a }, base).firstFault).toBe('b is gone')
    expect(compareTensors({ ...base, c: row([0]) }, base).firstFault).toBe('c is new')
  })

  test('that is damaged on purpose is compared byte by byte', () => {
    expect(compareTexts('safetensors', 'not tensors', 'not tensors').faults).toBe(0)
    expect(compareTexts('safetensors', 'not tensor!', 'not tensors').firstFault).toMatch(/^byte 10 /)
  })
})

test('other files byte by byte', () => {
  expect(compareTexts('jinja', 'a\nb', 'a\nb').faults).toBe(0)
  expect(compareTexts('jinja', 'a\nc', 'a\nb').firstFault).toMatch(/^byte 2 \(line 2\) differs/)
  expect(compareTexts('jinja', 'a', 'a\nb').firstFault).toMatch(/^byte 1 .* 1 bytes now, 3 committed/)
})
