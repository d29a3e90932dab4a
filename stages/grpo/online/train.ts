/**
 * @file The online loop: ask the policy, learn from what it says, ask again. Batches and their use are TRL's; see
 * `RolloutSchedule`.
 */
import { appendFileSync, copyFileSync, statSync, writeFileSync } from 'node:fs'
import { recomputation } from '../../../lm/batches/recomputation.ts'
import { unplanned } from '../../../lm/batches/shape-plan.ts'
import { spanCount } from '../../../lm/model/attention.ts'
import { LivePolicy } from '../../../lm/model/live-policy.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { jsonLines } from '../../../lm/text/json-lines.ts'
import { checkpointIntervalMs, type LogRow } from '../../../lm/training/checkpoint.ts'
import { initialState, Learner } from '../../../lm/training/learner.ts'
import { proveMovement } from '../../../lm/training/movement.ts'
import { policyGradient } from '../../../lm/training/objectives/policy-gradient.ts'
import type { RolloutSchedule } from '../../../lm/training/rollout-schedule.ts'
import { scheduleFactor, warmupStepCount } from '../../../lm/training/schedule.ts'
import { SequenceScorer } from '../../../lm/training/score-sequences.ts'
import { adapterCourse, enteringPolicy, saveAdapter } from '../../../lm/training/train-adapter.ts'
import type { Reward } from '../../rewards/reward.ts'
import { type Policy, type TrainingContext, trainerSettings } from '../../training/policy.ts'
import { meanColumns } from '../measure.ts'
import { type PolicyTaskSettings, policyBatch } from '../task.ts'
import { loadOnlineState, rowsFile, saveOnlineState } from './checkpoint.ts'
import { collectRollout } from './collect.ts'
import type { OnlineParams } from './params.ts'
import type { OnlinePrompt } from './prompts.ts'
import type { Collected, Rollout } from './rollout.ts'
import { policySampler, type Sampler } from './sampler.ts'

export interface OnlineSetup {
  readonly stage: string
  readonly policy: Policy
  readonly prompts: readonly OnlinePrompt[]
  readonly schedule: RolloutSchedule
  readonly rewards: readonly Reward[]
  readonly task: PolicyTaskSettings
  /** Where the completions come from. @default the policy as it is */
  readonly sampler?: (live: LivePolicy) => Sampler
}

export interface OnlineOutputs {
  readonly adapter: string
  readonly log: string
  readonly rollouts: string
}

/** So many updates that sampled, and no rewards that differ: something is probably wrong. */
const silentUpdates = 3

/**
 * @throws LmFailure `not-a-number`, `no-gradient`, `nothing-moved`
 * @throws DOMException `AbortError` after a checkpoint, when the signal is aborted
 */
export async function trainOnline(
  setup: OnlineSetup,
  params: OnlineParams,
  outputs: OnlineOutputs,
  context: TrainingContext,
): Promise<void> {
  const { policy, schedule, task, rewards } = setup
  const { model, adapter } = policy
  const { layout, assemble, initial } = adapterCourse(model, adapter)
  const settings = trainerSettings(params, params.temperature)
  const rate = {
    name: settings.schedule,
    warmupSteps: warmupStepCount(settings.warmup, schedule.total),
    totalSteps: schedule.total,
    minimumRatio: settings.minimumRateRatio ?? 0,
  }
  const saved = loadOnlineState(context.checkpoint, (file) =>
    context.log(`the checkpoint ${file} is damaged: training begins anew`),
  )
  if (saved !== undefined) context.log(`resuming after step ${saved.trainer.step} of ${schedule.total}`)
  const start = saved?.trainer.initial ?? initial
  const log: LogRow[] = [...(saved?.trainer.log ?? [])]
  const rowLayout = unplanned(model.config, true)
  const longest = params.max_completion_length + Math.max(...setup.prompts.map(({ ids }) => ids.length))
  const recompute = recomputation(model.config, [
    {
      rows: params.batch_size,
      length: longest,
      querySpans: spanCount(longest),
      slots: params.batch_size * params.max_completion_length,
    },
  ])
  const learner = new Learner(
    { assemble, layout, objective: policyGradient(task), recompute, ...settings },
    saved?.trainer ?? initialState(initial),
  )
  const entering = enteringPolicy(model, adapter)
  const live = new LivePolicy(entering)
  const sampler = (setup.sampler ?? ((of) => policySampler(of, model.tokenizer, params)))(live)
  const old = new SequenceScorer(live.parameters, params.batch_size, params.temperature)
  const reference =
    task.beta === 0 ? undefined : new SequenceScorer(entering, params.batch_size, params.temperature)
  const parts = { ...setup, tokenizer: model.tokenizer, sampler, old, reference }
  let rollout = saved?.rollout
  const saveEveryMs = checkpointIntervalMs(process.env)
  let savedAtMs = performance.now()
  try {
    while (learner.updates < schedule.total) await update()
    const parameters = learner.parameters()
    proveMovement(start, parameters, log)
    saveAdapter(outputs.adapter, adapter.settings, layout.unflatten(parameters))
    writeFileSync(outputs.log, jsonLines(log.map((row) => ({ stage: setup.stage, ...row }))))
    copyFileSync(rowsFile(context.checkpoint), outputs.rollouts)
  } finally {
    for (const each of [learner, live, sampler, old, reference, ...rewards]) each?.dispose?.()
    tf.dispose(entering.adapter.tensors)
  }

  async function update(): Promise<void> {
    const startMs = performance.now()
    const before = { rollout, rowsBytes: statSync(rowsFile(context.checkpoint)).size }
    const micro = schedule.microBatches(learner.updates)
    const collected: Collected[] = []
    let samplingMs = 0
    for (const { generation, part } of micro) {
      if (rollout?.generation !== generation) {
        const fromMs = performance.now()
        const next = await collect(generation).catch((error: unknown) => {
          // What was sampled and accumulated for this update is drawn again.
          if (context.signal.aborted) save(before)
          throw error
        })
        samplingMs += performance.now() - fromMs
        collected.push(next)
        rollout = next.rollout
      }
      const whole = {
        sequences: micro.length * params.batch_size,
        // TRL's `dapo`: the generation batch's tokens, as its share of an update.
        tokens: (rollout.countedTokens * micro.length) / params.steps_per_generation,
      }
      learner.accumulate(policyBatch(rollout.parts[part]!, whole, task, rowLayout))
    }
    const learningRate = settings.learningRate * scheduleFactor(rate, learner.updates)
    const { loss, tokens, metrics, gradientNorm } = learner.update(learningRate)
    const step = learner.updates
    const sampled = collected.reduce((sum, each) => sum + each.tokens, 0)
    log.push({
      epoch: Number(schedule.epochsAfter(step).toFixed(4)),
      step,
      loss,
      learning_rate: learningRate,
      grad_norm: gradientNorm,
      ...metrics,
      ...meanColumns(collected.map(({ columns }) => columns)),
      tokens,
      num_tokens: sampled + ((log.at(-1)?.num_tokens as number | undefined) ?? 0),
    })
    if (collected.length > 0) warnOfSilence()
    const seconds = (performance.now() - startMs - samplingMs) / 1000
    context.progress({
      step,
      total: schedule.total,
      loss,
      tokensPerSecond: tokens / seconds,
      note: `training${rewardNote()}`,
    })
    // Progress and cancellation travel on the event loop, which the native calls block.
    await new Promise((resolve) => setImmediate(resolve))
    if (context.signal.aborted || performance.now() - savedAtMs > saveEveryMs) {
      save({ rollout, rowsBytes: statSync(rowsFile(context.checkpoint)).size })
      savedAtMs = performance.now()
    }
    context.signal.throwIfAborted()
  }

  function warnOfSilence(): void {
    const shares = log.flatMap((row) => row.frac_reward_zero_std ?? [])
    if (shares.length === silentUpdates && shares.every((share) => share === 1)) {
      context.warn(
        `so far the rewards of each prompt's completions are all equal: there is nothing to learn from them`,
      )
    }
  }

  async function collect(generation: number): Promise<Collected> {
    live.move(layout.unflatten(learner.parameters()))
    const step = learner.updates
    const collected = await collectRollout(parts, params, generation, step + 1, {
      signal: context.signal,
      progress: (note, tokensPerSecond) =>
        context.progress({
          step,
          total: schedule.total,
          note: `${note}${rewardNote()}`,
          ...(tokensPerSecond !== undefined && { tokensPerSecond }),
        }),
    })
    appendFileSync(rowsFile(context.checkpoint), jsonLines(collected.rows))
    return collected
  }

  function save(held: { readonly rollout: Rollout | undefined; readonly rowsBytes: number }): void {
    saveOnlineState(context.checkpoint, { trainer: { ...learner.state(), initial: start, log }, ...held })
  }

  /** The last mean reward, for the eye. */
  function rewardNote(): string {
    const last = log.findLast((row) => typeof row.reward === 'number')?.reward
    return last === undefined ? '' : `, reward ${Number(last).toPrecision(3)}`
  }
}
