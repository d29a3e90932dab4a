/** @file Prompts as a tree of tokens: what is shared stands once, and each token sees its own path alone. */
import { expect, it } from 'vitest'
import { commonLength, type PrefixTree, pathTo, prefixTree } from '../../../lm/generate/prefix-tree.ts'
import { rowIndices, type TreePart, treeRows } from '../../../lm/generate/tree-rows.ts'
import { treeMask } from '../../../lm/generate/visibility.ts'

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

/** Three beginnings of 20 tokens, each with three continuations of 30, each of which ends in three ways. */
const branching = prefixTree(
  Array.from({ length: 27 }, (_, leaf) =>
    Array.from({ length: 60 + leaf }, (_, position) => {
      const branch = position < 20 ? Math.floor(leaf / 9) : position < 50 ? Math.floor(leaf / 3) : leaf
      return 100 * branch + position
    }),
  ),
)

it.each([
  ['everything before', undefined],
  ['a window of three tokens', 3],
])('lets a token see %s on its path, in any part of a tree', (_, window = 999) => {
  for (const [whole, start, end] of [
    [tree, 0, 10],
    [tree, 3, 8],
    [tree, 6, 10],
    [branching, 0, branching.ids.length],
    [branching, 37, 430],
  ] as const) {
    const above = pathTo(whole, start).slice(0, -1)
    const part = partOf(whole, start, end)
    const rows = treeRows(part)
    const keys = Math.max(1, above.length)
    const { queries, seen, places } = rowIndices(part, rows, keys)
    const mask = treeMask(part, rows, window)
    const width = above.length + rows.width
    part.ids.forEach((_, token) => {
      const [row, place] = places.subarray(2 * token)
      expect(queries[row! * rows.length + place!]).toBe(token)
      const visible = Array.from(seen.subarray(row! * width, (row! + 1) * width)).filter(
        (_, key) => mask[(row! * rows.length + place!) * width + key] === 0,
      )
      const tokens = visible.map((key) => (key < keys ? above[key]! : start + key - keys))
      expect(tokens).toEqual(pathTo(whole, start + token).slice(-window))
    })
  }
})

it('lays branches out in rows of their own, and what one continues in one row', () => {
  const rows = treeRows(partOf(branching, 0, branching.ids.length))
  expect(rows.starts.length).toBeGreaterThan(3)
  expect(Math.max(...rows.before)).toBeGreaterThan(0)
  expect(rows.starts.length * rows.length).toBeLessThan(1.4 * branching.ids.length)
  const long = prefixTree([Array.from({ length: 300 }, (_, position) => position)])
  expect(treeRows(partOf(long, 0, 300)).starts).toEqual([0])
})

function partOf({ ids, depths, parents }: PrefixTree, start: number, end: number): TreePart {
  return {
    ids: ids.slice(start, end),
    positions: depths.slice(start, end),
    parents: parents.slice(start, end).map((parent) => parent - start),
    above: depths[start]!,
  }
}
