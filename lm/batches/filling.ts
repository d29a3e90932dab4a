/** @file Sequences put into rows of a length, or into so many rows of whatever length that takes. */
import { type Branch, TokenTree } from './token-tree.ts'

/** Lengths are tried in steps of it. */
const step = 8

export function roundedUp(size: number, multipleOf: number): number {
  return Math.ceil(size / multipleOf) * multipleOf
}

export interface FilledRows {
  readonly trees: readonly TokenTree[]
  /** Where each sequence stands. */
  readonly branches: readonly { readonly row: number; readonly branch: Branch }[]
}

/** Sequences put into rows: the longest first, each where it adds least; among equals in the fullest row that has room. */
export class Filling {
  readonly #inputs: readonly (readonly number[])[]
  readonly #order: readonly number[]
  readonly #sharing: boolean
  readonly #known = new Map<number, FilledRows>()

  constructor(inputs: readonly (readonly number[])[], sharing: boolean) {
    this.#inputs = inputs
    this.#sharing = sharing
    this.#order = inputs.map((_, index) => index).sort((a, b) => inputs[b]!.length - inputs[a]!.length)
  }

  get count(): number {
    return this.#inputs.length
  }

  /** Tokens of the longest. */
  get longest(): number {
    return this.#inputs[this.#order[0]!]!.length
  }

  /** Rows of at most `length` tokens. */
  rows(length: number): FilledRows {
    const known = this.#known.get(length)
    if (known !== undefined) return known
    const filled = this.#fill(length)
    this.#known.set(length, filled)
    return filled
  }

  /** At most so many rows, about as short as they can be. */
  atMost(rows: number): FilledRows {
    const together = this.rows(Number.POSITIVE_INFINITY)
    if (rows === 1) return together
    const least = Math.max(this.longest, together.trees[0]!.size / rows)
    for (let length = roundedUp(least, step); ; length = roundedUp(1.03 * length + 1, step)) {
      const filled = this.rows(length)
      if (filled.trees.length <= rows) return filled
    }
  }

  #fill(length: number): FilledRows {
    const trees: TokenTree[] = []
    const branches: { row: number; branch: Branch }[] = new Array(this.#inputs.length)
    for (const index of this.#order) {
      const ids = this.#inputs[index]!
      let found: { readonly row: number; readonly growth: number; readonly size: number } | undefined
      trees.forEach((tree, row) => {
        const growth = tree.growth(ids)
        const size = tree.size + growth
        if (size > length) return
        if (found === undefined || growth < found.growth || (growth === found.growth && size > found.size))
          found = { row, growth, size }
      })
      const row = found?.row ?? trees.push(new TokenTree(this.#sharing)) - 1
      branches[index] = { row, branch: trees[row]!.add(ids) }
    }
    return { trees, branches }
  }
}
