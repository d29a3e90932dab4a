/** @file An online run from its inputs to its outputs; everything that can be wrong is said before the model is loaded. */
import { writeFileSync } from 'node:fs'
import { StageFailure } from 'flow/stage'
import { loadAdapter } from '../../../lm/model/adapter.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { RolloutSchedule } from '../../../lm/training/rollout-schedule.ts'
import { enteringPolicy } from '../../../lm/training/train-adapter.ts'
import { checkReferences } from '../../judge/questions.ts'
import { judgeReward, scoringSettings } from '../../rewards/judge.ts'
import { checkRewards, openRewards, readScoredPrompts } from '../../rewards/open-rewards.ts'
import { type LocalWriter, writerOf } from '../../sampling/local-writer.ts'
import type { DecodePrecisionParam } from '../../sampling/writer.ts'
import { loadPolicy, type Policy, type TrainingContext } from '../../training/policy.ts'
import { type Course, taskSettings } from '../course.ts'
import type { OnlineParams } from './params.ts'
import { encodePrompts } from './prompts.ts'
import { type OnlineOutputs, type OnlineSetup, trainOnline } from './train.ts'

export interface OnlineInputs {
  readonly model: string
  readonly adapter: string | undefined
  readonly data: string | undefined
  readonly prompts: string | undefined
  /** Label -> file of a reward function. */
  readonly reward: Readonly<Record<string, string>>
  readonly judge_adapter: string | undefined
  readonly rubric: string | undefined
}

type RolloutChoice = Pick<OnlineParams, 'rewards' | 'judge'> & { readonly rollouts: 'offline' | 'online' }

/** As the log and `reward_weights` call it. */
const judgeName = 'judge'

/**
 * The stored completions of an offline run; undefined for an online one.
 * @throws StageFailure `no-data`, `no-prompts`, `data-and-rollouts` where the inputs are not those of the rollouts
 */
export function storedCompletions(inputs: OnlineInputs, params: RolloutChoice): string | undefined {
  const { data, prompts, reward, judge_adapter, rubric } = inputs
  if (params.rollouts === 'online') {
    if (data !== undefined) {
      throw misplaced('`rollouts: online` samples its own completions; `data` holds stored ones')
    }
    if (prompts === undefined) {
      throw new StageFailure({
        code: 'no-prompts',
        message: '`rollouts: online` needs the input `prompts`: what the policy is to answer',
        hint: 'prompts with an `answer` let a rule score the completions',
      })
    }
    return undefined
  }
  const onlineOnly = {
    prompts,
    reward: Object.keys(reward)[0],
    judge_adapter,
    rubric,
    rewards: Object.keys(params.rewards)[0],
    judge: params.judge,
  }
  const given = Object.entries(onlineOnly).find(([, value]) => value !== undefined)?.[0]
  if (given !== undefined) throw misplaced(`\`${given}\` is for \`rollouts: online\`; this run is offline`)
  if (data !== undefined) return data
  throw new StageFailure({
    code: 'no-data',
    message: 'there is nothing to learn from: neither `data` nor `prompts` is given',
    hint: 'scored completions as `data`, or `rollouts: online` with `prompts`',
  })
}

function misplaced(message: string): StageFailure {
  return new StageFailure({
    code: 'data-and-rollouts',
    message,
    hint: 'offline: `data`; online: `prompts`, with `rollouts: online` among the parameters',
  })
}

/** @throws StageFailure `offline-only` where an objective knows no online rollouts */
export function requireObjective(objective: string, online: string): void {
  if (objective === online) return
  throw new StageFailure({
    code: 'offline-only',
    message: `\`objective: ${objective}\` learns from stored completions only`,
    hint: `\`objective: ${online}\`, or \`rollouts: offline\` with \`data\``,
  })
}

/** An offline run has no rollouts of its own. */
export function writeNoRollouts({ rollouts }: OnlineOutputs): void {
  writeFileSync(rollouts, '')
}

/** @param sampler where the completions come from; the policy itself unless told otherwise */
export async function optimiseOnline(
  course: Course,
  inputs: OnlineInputs,
  given: OnlineParams,
  outputs: OnlineOutputs,
  context: TrainingContext,
  sampler?: OnlineSetup['sampler'],
): Promise<void> {
  if (given.drop_zero_std) {
    throw new StageFailure({
      code: 'offline-only',
      message: '`drop_zero_std` is for stored completions',
      hint: 'online, groups without a signal count as zeros; `frac_reward_zero_std` in the log is their share',
    })
  }
  const params = {
    ...given,
    steps_per_generation: given.steps_per_generation || given.gradient_accumulation_steps,
  }
  const rewards = await openRewards(params, inputs.reward, context.warn)
  const judging = params.judge === undefined ? undefined : scoringSettings(params.judge, inputs.rubric)
  const names = rewards.map(({ name }) => name)
  checkRewards(judging === undefined ? names : [...names, judgeName], params.reward_weights)
  const rows = readScoredPrompts(inputs.prompts!, params)
  if (judging !== undefined) checkReferences(judging.rubric, rows, inputs.prompts!)
  scheduleOf(rows.length, params)

  const policy = await loadPolicy(inputs, params, context)
  if (judging !== undefined) {
    const precision = params.judge!.decode_precision
    const writer = judgingWriter(policy, inputs.judge_adapter, precision)
    rewards.push(judgeReward(judgeName, judging, writer))
  }
  // However they are written, sums of them are the same to the last bit.
  rewards.sort((a, b) => (a.name < b.name ? -1 : 1))
  const prompts = encodePrompts(rows, policy.model, params.max_length, context)
  const schedule = scheduleOf(prompts.length, params)
  if (schedule.leftOut > 0) {
    context.log(
      `${schedule.leftOut} of ${prompts.length} prompts a pass are left out: a generation batch takes ${schedule.promptsABatch}`,
    )
  }
  const task = taskSettings(course, params)
  const setup = { stage: course.stage, policy, prompts, schedule, rewards, task }
  await trainOnline(sampler === undefined ? setup : { ...setup, sampler }, params, outputs, context)
}

/** The entering policy, or the model with an adapter of the judge's own. */
function judgingWriter(
  { model, adapter }: Policy,
  own: string | undefined,
  precision: DecodePrecisionParam,
): LocalWriter {
  const judge = own === undefined ? adapter : loadAdapter(own, model.config)
  const parameters = enteringPolicy(model, judge)
  const writer = writerOf(parameters, model.tokenizer, precision)
  return {
    ...writer,
    dispose() {
      writer.dispose()
      tf.dispose(parameters.adapter.tensors)
    },
  }
}

function scheduleOf(prompts: number, params: OnlineParams): RolloutSchedule {
  return new RolloutSchedule(prompts, {
    epochs: params.epochs,
    maxSteps: params.max_steps === 0 ? undefined : params.max_steps,
    batchSize: params.batch_size,
    accumulation: params.gradient_accumulation_steps,
    stepsPerGeneration: params.steps_per_generation,
    iterations: params.num_iterations,
    generations: params.num_generations,
    seed: params.seed,
    shuffle: params.shuffle,
  })
}
