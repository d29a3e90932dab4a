import type { ContextOf } from 'flow/stage'
import { type RewardGroupRow, readRewardGroups } from '../../lm/text/rows.ts'
import { softmaxWeights } from '../clean/softmax.ts'
import { optimiseOnline, requireObjective, storedCompletions, writeNoRollouts } from '../grpo/online/run.ts'
import { optimisePolicy, referenced } from '../grpo/optimise.ts'
import { readSamples, type Sample, type ScoredCompletion } from '../grpo/samples.ts'
import {
  loadPolicy,
  type Policy,
  requireRows,
  runTraining,
  type TrainingContext,
  trainerSettings,
} from '../training/policy.ts'
import type stage from './index.ts'
import { rewardWeightedTask, type WeightedGroup } from './reward-weighted.ts'

type Context = ContextOf<typeof stage>

export async function optimise({ inputs, outputs, params, ...context }: Context): Promise<void> {
  const data = storedCompletions(inputs, params)
  const course = { stage: 'gspo', level: 'sequence', lossType: params.loss_type } as const
  if (data === undefined) {
    requireObjective(params.objective, 'gspo')
    return optimiseOnline(course, inputs, params, outputs, context)
  }
  writeNoRollouts(outputs)
  const groups = readRewardGroups(data)
  const policy = await loadPolicy(inputs, params, context)
  if (params.objective === 'reward_weighted') {
    const rows = await weightedGroups(groups, policy, params, context)
    const task = rewardWeightedTask(rows, params.beta)
    return runTraining('gspo', policy, task, trainerSettings(params, params.temperature), outputs, context)
  }
  if (groups.some(({ rewards }) => rewards === undefined)) {
    context.warn('some rows have no `rewards`: their `weights` are taken as rewards')
  }
  return optimisePolicy(course, policy, groups.flatMap(completionsOf), params, outputs, context)
}

function completionsOf(row: RewardGroupRow, group: number): ScoredCompletion[] {
  return row.responses.map((response, index) => ({
    prompt: row.prompt,
    response,
    reward: (row.rewards ?? row.weights)[index]!,
    group,
    token_ids: row.token_ids?.[index],
    logps: row.logps?.[index],
    finished: row.finished?.[index],
  }))
}

async function weightedGroups(
  groups: readonly RewardGroupRow[],
  policy: Policy,
  params: Context['params'],
  context: TrainingContext,
): Promise<WeightedGroup[]> {
  const read = readSamples(groups.flatMap(completionsOf), policy.model, params, context)
  const samples = params.beta === 0 ? read : await referenced(read, policy, params, context)
  const members = groups.map((): Sample[] => [])
  for (const sample of samples) members[sample.group]!.push(sample)
  const rows = groups.flatMap(({ weights, rewards }, group): WeightedGroup[] => {
    const own = members[group]!
    // Weights of what is left of a group would be those of another distribution.
    if (own.length < weights.length) return []
    const target = rewards === undefined ? weights : softmaxWeights(rewards, params.weight_temperature)
    return [{ samples: own, weights: target }]
  })
  const dropped = groups.length - rows.length
  if (dropped > 0) context.warn(`${dropped} prompts dropped: they have lost a response`)
  requireRows(rows, params.max_length)
  return rows
}
