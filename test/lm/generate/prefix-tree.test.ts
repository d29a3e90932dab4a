/** @file Prompts as a tree of tokens: what is shared stands once, and each token sees its own path alone. */
import { expect, it } from 'vitest'
import { commonLength, pathTo, prefixTree } from '../../../lm/generate/prefix-tree.ts'
import { treeMasks } from '../../../lm/generate/visibility.ts'

const prompts = [
  [5, 6, 9, 9],
  [5, 6, 7],
  [5, 6, 7],
  [5, 6],
  [8, 6, 7],
  [5, 6, 7, 3, 12],
]
const tree = prefixTree(prompts)

it('keeps each different beginning once, and every prompt is the path to its leaf', () => {
  expect(tree.ids).toEqual([5, 6, 7, 3, 12, 9, 9, 8, 6, 7])
  expect(tree.depths).toEqual([0, 1, 2, 3, 4, 2, 3, 0, 1, 2])
  prompts.forEach((prompt, index) => {
    expect(pathTo(tree, tree.leaves[index]!).map((token) => tree.ids[token])).toEqual(prompt)
  })
  expect(commonLength(prompts, 9)).toBe(0)
  expect(commonLength(prompts.slice(0, 4), 9)).toBe(2)
  expect(commonLength(prompts.slice(0, 4), 1)).toBe(1)
})

it.each([
  ['everything before', undefined],
  ['a window of three tokens', 3],
])('lets a token see %s on its path, in any part of the tree', (_, window = 99) => {
  for (const [start, end] of [
    [0, 10],
    [3, 8],
    [6, 10],
  ] as const) {
    const above = pathTo(tree, start).slice(0, -1)
    const part = {
      ids: tree.ids.slice(start, end),
      positions: tree.depths.slice(start, end),
      parents: tree.parents.slice(start, end).map((parent) => parent - start),
      above: above.length,
    }
    const keys = Math.max(1, above.length)
    const { past, own } = treeMasks(part, keys, window)
    part.ids.forEach((_, token) => {
      const seen = new Set(pathTo(tree, start + token).slice(-window))
      const expected = (key: number) => (seen.has(key) ? 0 : -1e9)
      for (let key = 0; key < keys; key++) {
        expect(past[token * keys + key]).toBe(above.length === 0 ? -1e9 : expected(above[key]!))
      }
      for (let key = 0; key < part.ids.length; key++) {
        expect(own[token * part.ids.length + key]).toBe(expected(start + key))
      }
    })
  }
})
