/** @file Parameters of validation during training, for the stages that take held-out rows. */
import { StageFailure, Type } from 'flow/stage'
import type { ValidationSettings } from '../../lm/training/validation.ts'

export const validationParams = {
  eval_steps: Type.Integer({
    minimum: 0,
    default: 0,
    description: 'Updates between evaluations of `validation`; 0: after each epoch',
  }),
  eval_on_start: Type.Boolean({ default: false, description: 'Also evaluates before the first update' }),
  keep_best: Type.Boolean({
    default: false,
    description: 'Writes the adapter of the best evaluation instead of the last',
  }),
  metric_for_best_model: Type.String({
    default: 'eval_loss',
    description: 'Which evaluation is best; the lower the better where the name ends in loss',
  }),
  early_stopping_patience: Type.Integer({
    minimum: 0,
    default: 0,
    description: 'Stops after so many evaluations in a row that were no better; 0: never',
  }),
  early_stopping_threshold: Type.Number({
    minimum: 0,
    default: 0,
    description: 'What an evaluation must be better by to count',
  }),
}

/** The parameters of `validationParams`, as a stage receives them. */
export interface ValidationParams {
  readonly eval_steps: number
  readonly eval_on_start: boolean
  readonly keep_best: boolean
  readonly metric_for_best_model: string
  readonly early_stopping_patience: number
  readonly early_stopping_threshold: number
}

/**
 * @param file the stage's input `validation`
 * @param metrics columns that the stage's objective logs besides the loss
 * @returns undefined where there is nothing to validate on
 * @throws StageFailure `invalid-parameter`
 */
export function validationSettings(
  params: ValidationParams,
  file: string | undefined,
  metrics: readonly string[],
): ValidationSettings | undefined {
  if (file === undefined) {
    const idle = idleParameter(params)
    if (idle === undefined) return undefined
    throw new StageFailure({
      code: 'invalid-parameter',
      message: `\`${idle}\` has no effect without the input \`validation\``,
      hint: 'give the stage held-out rows: in: { validation: data/held-out.jsonl }',
    })
  }
  const named = params.metric_for_best_model
  const metric = named.startsWith('eval_') ? named : `eval_${named}`
  const known = ['loss', ...metrics].map((name) => `eval_${name}`)
  if (!known.includes(metric)) {
    throw new StageFailure({
      code: 'invalid-parameter',
      message: `\`metric_for_best_model\` is \`${named}\`, which no evaluation measures`,
      hint: `choose from ${known.join(', ')}`,
    })
  }
  return {
    every: params.eval_steps === 0 ? undefined : params.eval_steps,
    atStart: params.eval_on_start,
    metric,
    keepBest: params.keep_best,
    patience: params.early_stopping_patience === 0 ? undefined : params.early_stopping_patience,
    threshold: params.early_stopping_threshold,
  }
}

/** The first parameter that asks for an evaluation. */
function idleParameter(params: ValidationParams): string | undefined {
  if (params.eval_steps > 0) return 'eval_steps'
  if (params.eval_on_start) return 'eval_on_start'
  if (params.keep_best) return 'keep_best'
  if (params.early_stopping_patience > 0) return 'early_stopping_patience'
  return undefined
}
