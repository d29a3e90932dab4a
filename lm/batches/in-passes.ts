/** @file A micro-batch in as many passes as memory asks for. */
import type { DecoderConfig } from '../model/config.ts'
import { bytesAToken } from './cost.ts'
import { TokenTree } from './token-tree.ts'

/** What a pass may hold, beside weights and gradients; a row of the data is never divided. */
const passBytes = 768 * 2 ** 20

/**
 * Rows that are computed together: the largest first, each into the fullest pass that has room.
 * @param idsOf the tokens of each of a row's sequences
 */
export function inPasses<Row>(
  rows: readonly Row[],
  idsOf: (row: Row) => readonly (readonly number[])[],
  config: DecoderConfig,
  sharing: boolean,
): Row[][] {
  const capacity = passBytes / bytesAToken(config)
  const sized = rows.map((row) => {
    const sequences = idsOf(row)
    return { row, sequences, size: grown(new TokenTree(sharing), sequences).size }
  })
  const passes: { rows: Row[]; tree: TokenTree }[] = []
  for (const { row, sequences } of sized.sort((a, b) => b.size - a.size)) {
    const fitting = passes.filter(({ tree }) => tree.size + growthOf(tree, sequences) <= capacity)
    const pass = fitting.sort((a, b) => b.tree.size - a.tree.size)[0]
    if (pass === undefined) passes.push({ rows: [row], tree: grown(new TokenTree(sharing), sequences) })
    else {
      pass.rows.push(row)
      grown(pass.tree, sequences)
    }
  }
  return passes.map(({ rows: together }) => together)
}

function grown(tree: TokenTree, sequences: readonly (readonly number[])[]): TokenTree {
  for (const ids of sequences) tree.add(ids)
  return tree
}

function growthOf(tree: TokenTree, sequences: readonly (readonly number[])[]): number {
  return sequences.reduce((sum, ids) => sum + tree.growth(ids), 0)
}
