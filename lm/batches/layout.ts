/**
 * @file How sequences are laid out as rows of one length: several may share a row, and what they begin with is in it
 * once. A function of the sequences and the settings alone. Shapes are few, since each new one compiles a new graph;
 * among those the cheapest is taken.
 */
import type { DecoderConfig } from '../model/config.ts'
import { type PassShape, passCost } from './cost.ts'
import { type Branch, placesOf, TokenTree } from './token-tree.ts'

export interface LayoutSettings {
  readonly config: DecoderConfig
  /** Whether sequences of a row share what they begin with. */
  readonly sharing: boolean
  /** Shapes to choose from, where one of them is large enough. */
  readonly shapes?: readonly PassShape[] | undefined
  /** Other shapes: how many sizes there are from a power of two to the next. @default 4 */
  readonly steps?: number
}

export interface RowLayout extends PassShape {
  /** For each sequence, the place of each of its tokens: row * length + column. Several may share one. */
  readonly places: readonly Int32Array[]
  /** Places that hold a token. */
  readonly occupied: number
}

/** The shortest row. */
const leastLength = 8

/**
 * The cheapest layout of sequences in one pass.
 * @param inputs the tokens of each that the model reads
 * @param counted tokens that count as targets in all
 */
export function layOut(
  inputs: readonly (readonly number[])[],
  counted: number,
  { config, sharing, shapes = [], steps = 4 }: LayoutSettings,
): RowLayout {
  const order = inputs.map((_, index) => index).sort((a, b) => inputs[b]!.length - inputs[a]!.length)
  const longest = Math.max(leastLength, inputs[order[0]!]!.length)
  let best: { readonly shape: PassShape; readonly filled: FilledRows; readonly cost: number } | undefined
  const offer = (shape: PassShape, filled: FilledRows) => {
    const cost = passCost(config, shape)
    if (best === undefined || cost < best.cost) best = { shape, filled, cost }
  }
  const known = new Map<number, FilledRows>()
  const fill = (length: number) => {
    const filled = known.get(length) ?? fillRows(inputs, order, length, sharing)
    known.set(length, filled)
    return filled
  }
  for (const shape of shapes) {
    if (shape.length < longest || shape.slots < counted) continue
    const filled = fill(shape.length)
    if (filled.trees.length <= shape.rows) offer(shape, filled)
  }
  if (best === undefined) {
    for (let length = bucket(longest, steps); ; length = bucket(length + 1, steps)) {
      const filled = fill(length)
      const rows = bucket(filled.trees.length, steps / 2)
      offer({ rows, length, slots: bucketSlots(counted, rows * length, steps) }, filled)
      if (filled.trees.length === 1) break
    }
  }
  const { shape, filled } = best!
  return {
    ...shape,
    places: filled.branches.map(({ row, branch }) =>
      placesOf(branch).map((place) => row * shape.length + place),
    ),
    occupied: filled.trees.reduce((sum, { size }) => sum + size, 0),
  }
}

/** The next of `steps` sizes from a power of two to the next. */
function bucket(size: number, steps: number): number {
  const step = Math.max(1, 2 ** Math.floor(Math.log2(size)) / steps)
  return Math.ceil(size / step) * step
}

/** A whole number of parts of the places. */
function bucketSlots(counted: number, places: number, parts: number): number {
  const part = Math.ceil(places / parts)
  return Math.max(1, Math.ceil(counted / part)) * part
}

interface FilledRows {
  readonly trees: readonly TokenTree[]
  /** Where each sequence stands. */
  readonly branches: readonly { readonly row: number; readonly branch: Branch }[]
}

/** In the given order, each where it adds least; among equals in the fullest row that has room. */
function fillRows(
  inputs: readonly (readonly number[])[],
  order: readonly number[],
  length: number,
  sharing: boolean,
): FilledRows {
  const trees: TokenTree[] = []
  const branches: { row: number; branch: Branch }[] = new Array(inputs.length)
  for (const index of order) {
    const ids = inputs[index]!
    let found: { readonly row: number; readonly growth: number; readonly size: number } | undefined
    trees.forEach((tree, row) => {
      const growth = tree.growth(ids)
      const size = tree.size + growth
      if (size > length) return
      if (found === undefined || growth < found.growth || (growth === found.growth && size > found.size))
        found = { row, growth, size }
    })
    const row = found?.row ?? trees.push(new TokenTree(sharing)) - 1
    branches[index] = { row, branch: trees[row]!.add(ids) }
  }
  return { trees, branches }
}
