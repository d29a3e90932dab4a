/** @file A micro-batch in as many passes as memory asks for. */
import type { DecoderConfig } from '../model/config.ts'
import { attentionBytes, pairsOf, passBytes } from './cost.ts'
import { type Sequence, targetCount } from './sequence.ts'
import { inputsOf } from './token-batch.ts'
import { TokenTree } from './token-tree.ts'

/** What a pass may hold, beside weights and gradients; a row of the data is never divided. */
const mostBytes = 704 * 2 ** 20

interface Pass<Row> {
  readonly rows: Row[]
  readonly tree: TokenTree
  labels: number
}

/**
 * Rows that are computed together: the largest first, each into the fullest pass that has room.
 * @param sequencesOf the sequences of a row
 * @param most rows that a pass may have
 */
export function inPasses<Row>(
  rows: readonly Row[],
  sequencesOf: (row: Row) => readonly Sequence[],
  config: DecoderConfig,
  sharing: boolean,
  most = Number.POSITIVE_INFINITY,
): Row[][] {
  const sized = rows.map((row) => {
    const sequences = sequencesOf(row)
    const inputs = sequences.flatMap(inputsOf)
    const labels = sequences.reduce((sum, sequence) => sum + targetCount(sequence), 0)
    return { row, inputs, labels, size: grown(new TokenTree(sharing), inputs).size }
  })
  const passes: Pass<Row>[] = []
  for (const { row, inputs, labels } of sized.sort((a, b) => b.size - a.size)) {
    const bytesWith = (pass: Pass<Row>) => {
      const tokens = pass.tree.size + growthOf(pass.tree, inputs)
      return (
        passBytes(config, { tokens, labels: pass.labels + labels }) +
        attentionBytes(config, likelyPairs(tokens))
      )
    }
    const fitting = passes.filter((pass) => pass.rows.length < most && bytesWith(pass) <= mostBytes)
    const pass = fitting.sort((a, b) => b.tree.size - a.tree.size)[0]
    if (pass === undefined) passes.push({ rows: [row], tree: grown(new TokenTree(sharing), inputs), labels })
    else {
      pass.rows.push(row)
      pass.labels += labels
      grown(pass.tree, inputs)
    }
  }
  return passes.map(({ rows: together }) => together)
}

/** In two rows of two spans, as most passes are. */
function likelyPairs(tokens: number): number {
  return pairsOf({ rows: 2, length: tokens / 2, querySpans: 2 })
}

function grown(tree: TokenTree, sequences: readonly (readonly number[])[]): TokenTree {
  for (const ids of sequences) tree.add(ids)
  return tree
}

function growthOf(tree: TokenTree, sequences: readonly (readonly number[])[]): number {
  return sequences.reduce((sum, ids) => sum + tree.growth(ids), 0)
}
