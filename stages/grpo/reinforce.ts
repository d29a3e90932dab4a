/** @file Plain REINFORCE with a baseline, the original's "GRPO" under its true name. */
import { tokenBatch } from '../../lm/batches/token-batch.ts'
import { reinforce } from '../../lm/training/objectives/weighted-likelihood.ts'
import type { TrainingTask } from '../../lm/training/trainer.ts'
import type { Sample } from './samples.ts'
import { perSlot } from './task.ts'

/** Rewards further from 0 than this are clipped before the baseline is taken. */
const rewardBound = 5

/** -mean[(r - mean reward of the accumulated batch) * log p(completion)], rewards clipped to +-5. */
export function reinforceTask(rows: readonly Sample[]): TrainingTask<Sample> {
  const clipped = ({ reward }: Sample) => Math.max(-rewardBound, Math.min(rewardBound, reward))
  return {
    rows,
    objective: reinforce,
    sequencesOf: ({ sequence }) => [sequence],
    separable: true,
    collate: (part, whole, settings) => {
      const { arrays, layout } = tokenBatch(
        part.map(({ sequence }) => sequence),
        settings,
      )
      const baseline = whole.reduce((sum, sample) => sum + clipped(sample), 0) / whole.length
      return {
        arrays: {
          ...arrays,
          factors: perSlot(layout, (row) => (clipped(part[row]!) - baseline) / whole.length),
        },
        layout,
        tokens: part.reduce((sum, { sequence }) => sum + sequence.ids.length, 0),
      }
    },
    columns: (metrics) => metrics,
  }
}
