/** @file Likelihood weighted by softmaxed rewards: rows are prompts with all their completions. */
import { ofSlots } from '../../lm/batches/open-sizes.ts'
import { tokenBatch } from '../../lm/batches/token-batch.ts'
import { rewardWeighted } from '../../lm/training/objectives/weighted-likelihood.ts'
import type { TrainingTask } from '../../lm/training/trainer.ts'
import type { Sample } from '../grpo/samples.ts'

export interface WeightedGroup {
  readonly samples: readonly Sample[]
  /** One a sample; they sum to 1. */
  readonly weights: readonly number[]
}

/** @param kl weight of the mean log-ratio to the entering policy */
export function rewardWeightedTask(rows: readonly WeightedGroup[], kl: number): TrainingTask<WeightedGroup> {
  return {
    rows,
    objective: rewardWeighted,
    sequencesOf: ({ samples }) => samples.map(({ sequence }) => sequence),
    separable: true,
    collate: (part, whole, settings) => {
      const samples = part.flatMap((group) => group.samples)
      const { arrays, layout } = tokenBatch(
        samples.map(({ sequence }) => sequence),
        settings,
      )
      const factors = new Float32Array(layout.slots)
      const klFactors = new Float32Array(layout.slots)
      const reference = new Float32Array(layout.slots)
      let row = 0
      for (const { samples: members, weights } of part) {
        members.forEach((sample, member) => {
          const { start, count } = layout.spans[row++]!
          const pull = kl / members.length
          factors.fill((weights[member]! - pull) / whole.length, start, start + count)
          klFactors.fill(pull / whole.length, start, start + count)
          if (sample.reference !== undefined) reference.set(Array.from(sample.reference), start)
        })
      }
      return {
        arrays: {
          ...arrays,
          factors: ofSlots(factors),
          klFactors: ofSlots(klFactors),
          reference: ofSlots(reference),
        },
        layout,
        tokens: samples.reduce((sum, { sequence }) => sum + sequence.ids.length, 0),
      }
    },
    columns: (metrics) => metrics,
  }
}
