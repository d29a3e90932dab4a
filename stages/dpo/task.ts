/** @file Micro-batches of preference pairs. */
import { ofSlots } from '../../lm/batches/open-sizes.ts'
import { targetCount } from '../../lm/batches/sequence.ts'
import { type BatchLayout, membership, perSequence, tokenBatch } from '../../lm/batches/token-batch.ts'
import type { Objective } from '../../lm/training/objective.ts'
import type { TrainingTask } from '../../lm/training/trainer.ts'
import type { Pair } from './pairs.ts'

export interface ReferencedPair extends Pair {
  /** The reference's log-probability of each completion, summed as the policy's will be. */
  readonly referenceChosen: number
  readonly referenceRejected: number
}

/**
 * What the token at a place in its completion counts for in the completion's log-probability: 1, and `alpha` beyond
 * the shorter completion's length (LD-DPO, arXiv 2409.06411), so that length alone makes less of a difference.
 */
function tokenWeight({ chosen, rejected }: Pair, alpha: number): (place: number) => number {
  if (alpha === 1) return () => 1
  const shared = Math.min(targetCount(chosen), targetCount(rejected))
  return (place) => (place < shared ? 1 : alpha)
}

/** A pair with the reference's log-probabilities of its completions' tokens. */
export function referencedPair(
  pair: Pair,
  logps: { readonly chosen: ArrayLike<number>; readonly rejected: ArrayLike<number> },
  ldAlpha: number,
): ReferencedPair {
  const weight = tokenWeight(pair, ldAlpha)
  const sum = (values: ArrayLike<number>) =>
    Array.from(values).reduce((total, logp, place) => total + weight(place) * logp, 0)
  return { ...pair, referenceChosen: sum(logps.chosen), referenceRejected: sum(logps.rejected) }
}

/** @param separable whether each pair's loss is its own, whatever pairs it is computed with */
export function pairTask(
  rows: readonly ReferencedPair[],
  objective: Objective,
  separable: boolean,
  ldAlpha: number,
): TrainingTask<ReferencedPair> {
  return {
    rows,
    objective,
    sequencesOf: ({ chosen, rejected }) => [chosen, rejected],
    separable,
    bySequence: true,
    collate: (part, whole, settings) => {
      const sequences = [...part.map(({ chosen }) => chosen), ...part.map(({ rejected }) => rejected)]
      const { arrays, layout } = tokenBatch(sequences, settings)
      const { spans, slots } = layout
      const members = membership(layout)
      const summing = members.data.slice()
      spans.forEach(({ start, count }, sequence) => {
        const weight = tokenWeight(part[sequence % part.length]!, ldAlpha)
        for (let place = 0; place < count; place++) summing[sequence * slots + start + place] = weight(place)
      })
      const chosenTokens = whole.reduce((sum, { chosen }) => sum + targetCount(chosen), 0)
      const rejectedTokens = whole.reduce((sum, { rejected }) => sum + targetCount(rejected), 0)
      /** 1 / total at the tokens of `of`, else 0. */
      const shares = (of: BatchLayout['spans'], total: number) => {
        const data = new Float32Array(slots)
        for (const { start, count } of of) data.fill(1 / total, start, start + count)
        return ofSlots(data)
      }
      return {
        arrays: {
          ...arrays,
          membership: members,
          summing: ofSlots(summing, spans.length),
          lengths: perSequence(spans.map(({ count }) => count)),
          reference: perSequence([
            ...part.map(({ referenceChosen }) => referenceChosen),
            ...part.map(({ referenceRejected }) => referenceRejected),
          ]),
          share: { shape: [], data: Float32Array.of(1 / whole.length) },
          chosenShare: shares(spans.slice(0, part.length), chosenTokens),
          rejectedShare: shares(spans.slice(part.length), rejectedTokens),
          tokenShare: shares(spans, chosenTokens + rejectedTokens),
        },
        layout,
        tokens: sequences.reduce((sum, { ids }) => sum + ids.length, 0),
      }
    },
    columns: (metrics) => metrics,
  }
}
