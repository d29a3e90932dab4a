import { describe, expect, test } from 'vitest'
import { canonicalJson } from '../../engine/fingerprint/canonical-json.ts'

describe('rule 7: canonical JSON', () => {
  test('does not depend on the order of keys, at any depth', () => {
    const one = canonicalJson({ b: 1, a: { y: [1, { q: 1, p: 2 }], x: null } })
    expect(one).toBe(canonicalJson({ a: { x: null, y: [1, { p: 2, q: 1 }] }, b: 1 }))
    expect(one).toBe('{"a":{"x":null,"y":[1,{"p":2,"q":1}]},"b":1}')
  })

  test('sorts keys by UTF-16 code unit, not by a locale', () => {
    expect(canonicalJson({ ä: 0, Z: 0, a: 0, '10': 0, '9': 0, '\u{1f600}': 0, '\uffff': 0 })).toBe(
      '{"10":0,"9":0,"Z":0,"a":0,"ä":0,"\u{1f600}":0,"\uffff":0}',
    )
  })

  test('keeps types apart and makes -0 zero', () => {
    expect(canonicalJson(0.1)).not.toBe(canonicalJson('0.1'))
    expect(canonicalJson([-0, 0, 1e21, 5e-324])).toBe('[0,0,1e+21,5e-324]')
  })

  test.each([
    ['NaN', { lr: Number.NaN }, '$.lr'],
    ['Infinity', [1, Number.POSITIVE_INFINITY], '$[1]'],
    ['undefined', { a: { b: undefined } }, '$.a.b'],
    ['a hole', new Array(1), '$[0]'],
    ['a bigint', 1n, '$'],
    ['a function', { f: () => 0 }, '$.f'],
    ['a Date', { at: new Date(0) }, '$.at'],
    ['a Map', new Map(), '$'],
  ])('refuses %s and names its place', (_name, value, place) => {
    expect(() => canonicalJson(value)).toThrow(`${place} is`)
  })

  test('a key named like a prototype property is a key', () => {
    expect(canonicalJson(JSON.parse('{"__proto__":1,"constructor":2}'))).toBe(
      '{"__proto__":1,"constructor":2}',
    )
  })
})
