/** @file From the stage's parameters to the losses of the objective; what cannot go together is refused. */
import { type ContextOf, StageFailure } from 'flow/stage'
import type { WeightedLoss } from '../../lm/training/objectives/preference.ts'
import { allowsDivergence, comparesPairs } from '../../lm/training/objectives/preference-losses.ts'
import type stage from './index.ts'

export type LossParams = Pick<
  ContextOf<typeof stage>['params'],
  'loss' | 'loss_weights' | 'label_smoothing' | 'rpo_alpha' | 'f_divergence_type' | 'use_weighting'
>

/** @throws StageFailure `invalid-parameter` */
export function weightedLosses(params: LossParams): WeightedLoss[] {
  const names = typeof params.loss === 'string' ? [params.loss] : params.loss
  const { loss_weights: weights } = params
  if (weights.length > 0 && weights.length !== names.length) {
    refuse(
      `\`loss_weights\` has ${weights.length} numbers for ${names.length} losses`,
      `one for each of ${names.join(', ')}, or none`,
    )
  }
  const losses = names.flatMap((name, index): WeightedLoss[] => {
    const weight = weights[index] ?? 1
    if (name !== 'rpo') return [{ loss: name, weight }]
    return [
      { loss: 'sigmoid', weight },
      { loss: 'sft', weight: weight * params.rpo_alpha },
    ]
  })
  for (const { loss } of losses) {
    if (loss === 'exo_pair' && params.label_smoothing === 0) {
      refuse('the loss exo_pair needs `label_smoothing` above 0: it contains its logarithm', '1e-3 is usual')
    }
    if (loss !== 'sft' && params.f_divergence_type !== 'reverse_kl' && !allowsDivergence(loss)) {
      refuse(
        `the loss ${loss} has no form for \`f_divergence_type: ${params.f_divergence_type}\``,
        'only losses that see the two completions through their difference have one: sigmoid, robust, hinge, ipo, ...',
      )
    }
    if (params.use_weighting && (loss === 'sft' || comparesPairs(loss))) {
      refuse(
        `the loss ${loss} has no form for \`use_weighting\`: it is no sum over pairs`,
        'leave one of the two out',
      )
    }
  }
  return losses
}

function refuse(message: string, hint: string): never {
  throw new StageFailure({ code: 'invalid-parameter', message, hint })
}
