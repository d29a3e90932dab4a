import type { ContextOf } from 'flow/stage'
import { readRewards } from '../../lm/text/rows.ts'
import { loadPolicy, runTraining, trainerSettings } from '../training/policy.ts'
import type stage from './index.ts'
import { optimiseOnline, requireObjective, storedCompletions, writeNoRollouts } from './online/run.ts'
import { optimisePolicy } from './optimise.ts'
import { readSamples } from './samples.ts'
import { reinforceTask } from './task.ts'

export async function optimise({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  const data = storedCompletions(inputs, params.rollouts)
  const course = { stage: 'grpo', level: 'token', aggregation: params.loss_type } as const
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
