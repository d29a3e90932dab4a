import type { ContextOf } from 'flow/stage'
import { type RewardGroupRow, readRewardGroups } from '../../lm/text/rows.ts'
import { optimisePolicy, referenced } from '../grpo/optimise.ts'
import { readSamples, type ScoredCompletion } from '../grpo/samples.ts'
import {
  loadPolicy,
  type Policy,
  runTraining,
  type TrainingContext,
  trainerSettings,
} from '../training/policy.ts'
import type stage from './index.ts'
import { rewardWeightedTask, softmaxWeights, type WeightedGroup } from './reward-weighted.ts'

type Context = ContextOf<typeof stage>

export async function optimise({ inputs, outputs, params, ...context }: Context): Promise<void> {
  const groups = readRewardGroups(inputs.data)
  const policy = await loadPolicy(inputs, params, context)
  if (params.objective === 'reward_weighted') {
    const rows = await weightedGroups(groups, policy, params, context)
    const task = rewardWeightedTask(rows, params.beta)
    return runTraining('gspo', policy, task, trainerSettings(params, params.temperature), outputs, context)
  }
  if (groups.some(({ rewards }) => rewards === undefined)) {
    context.warn('some rows have no `rewards`: their `weights` are taken as rewards')
  }
  const course = { stage: 'gspo', level: 'sequence', aggregation: 'grpo' } as const
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
  const rows: WeightedGroup[] = []
  for (const [index, group] of groups.entries()) {
    const weights =
      group.rewards === undefined ? group.weights : softmaxWeights(group.rewards, params.weight_temperature)
    const samples = readSamples(completionsOf(group, index), policy.model, params, context)
    if (samples.length === weights.length) rows.push({ samples, weights })
  }
  if (params.beta === 0) return rows
  const scored = await referenced(
    rows.flatMap(({ samples }) => samples),
    policy,
    params,
    context,
  )
  let next = 0
  return rows.map(({ samples, weights }) => ({ weights, samples: samples.map(() => scored[next++]!) }))
}
