import type { ContextOf } from 'flow/stage'
import { readRewards } from '../../lm/text/rows.ts'
import { loadPolicy, runTraining, trainerSettings } from '../training/policy.ts'
import type { Course } from './course.ts'
import type stage from './index.ts'
import { optimiseOnline, requireObjective, storedCompletions, writeNoRollouts } from './online/run.ts'
import { optimisePolicy } from './optimise.ts'
import { reinforceTask } from './reinforce.ts'
import { readSamples } from './samples.ts'

export async function optimise({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  const data = storedCompletions(inputs, params)
  const course = courseOf(params)
  warnOfSettings(params, context.warn)
  if (data === undefined) {
    requireObjective(params.objective, 'grpo')
    return optimiseOnline(course, inputs, params, outputs, context)
  }
  writeNoRollouts(outputs)
  const completions = readRewards(data)
  const policy = await loadPolicy(inputs, params, context)
  if (params.objective === 'reinforce_baseline') {
    const task = reinforceTask(readSamples(completions, policy.model, params, context))
    return runTraining('grpo', policy, task, trainerSettings(params, params.temperature), outputs, context)
  }
  return optimisePolicy(course, policy, completions, params, outputs, context)
}

type Params = ContextOf<typeof stage>['params']

function courseOf(params: Params): Course {
  return {
    stage: 'grpo',
    level: params.importance_sampling_level,
    lossType: params.loss_type,
    gates: {
      sapoTemperature: { positive: params.sapo_temperature_pos, other: params.sapo_temperature_neg },
      vespoPower: { negative: params.vespo_k_neg, other: params.vespo_k_pos },
      vespoDecay: { negative: params.vespo_lambda_neg, other: params.vespo_lambda_pos },
    },
  }
}

/** Settings that are allowed, and hardly ever meant. */
function warnOfSettings(
  { loss_type, importance_sampling_level: level, ...params }: Params,
  warn: (text: string) => void,
) {
  if (loss_type === 'cispo' && params.epsilon_high < 1) {
    warn(
      `cispo takes \`epsilon_high\` for the largest ratio itself: ${params.epsilon_high} caps every token; 5 is usual`,
    )
  }
  if (loss_type === 'luspo' && level === 'token') {
    warn('luspo is meant for `importance_sampling_level: sequence`')
  }
  if (level === 'sequence' && ['bnpo', 'dr_grpo', 'dapo', 'cispo', 'vespo'].includes(loss_type)) {
    warn(
      `\`importance_sampling_level: sequence\` with ${loss_type} weighs completions by their length; GSPO is \`loss_type: grpo\``,
    )
  }
}
