import { type ContextOf, StageFailure } from 'flow/stage'
import { loadAdapter } from '../../lm/model/adapter.ts'
import type { Model } from '../../lm/model/model.ts'
import { requireKnownTokens } from '../../lm/text/known-tokens.ts'
import { readPreferences } from '../../lm/text/rows.ts'
import { preference, preferenceMetrics } from '../../lm/training/objectives/preference.ts'
import {
  loadPolicy,
  type Policy,
  type Reference,
  referenceLogps,
  runTraining,
  type TrainingContext,
  trainerSettings,
} from '../training/policy.ts'
import { validationSettings } from '../training/validation.ts'
import type stage from './index.ts'
import { weightedLosses } from './losses.ts'
import { type Pair, readPairs } from './pairs.ts'
import { pairTask, type ReferencedPair, referencedPair } from './task.ts'

type Context = ContextOf<typeof stage>

export async function optimisePreferences({ inputs, outputs, params, ...context }: Context): Promise<void> {
  const losses = weightedLosses(params)
  requireOneReference(inputs, params)
  const validation = validationSettings(params, inputs.validation, preferenceMetrics)
  const policy = await loadPolicy(inputs, params, context)
  const reference = referenceOf(policy, inputs, params)
  const read = (file: string) => readKnownPairs(file, policy.model, params, context)
  const pairs = read(inputs.data)
  const heldOutPairs = inputs.validation === undefined ? undefined : read(inputs.validation)
  const rows = await referenced(pairs, reference, params, context)
  const heldOut = heldOutPairs && (await referenced(heldOutPairs, reference, params, context))
  const objective = preference({
    losses,
    beta: params.beta,
    labelSmoothing: params.label_smoothing,
    divergence: params.f_divergence_type,
    divergenceAlpha: params.f_alpha_divergence_coef,
    discopopTau: params.discopop_tau,
    weighted: params.use_weighting,
  })
  const separable = losses.every(({ loss }) => loss !== 'aot' && loss !== 'aot_unpaired')
  const task = { ...pairTask(rows, objective, separable, params.ld_alpha), heldOut }
  await runTraining('dpo', policy, task, { ...trainerSettings(params), validation }, outputs, context)
}

function readKnownPairs(
  file: string,
  { tokenizer, config }: Model,
  params: Context['params'],
  context: TrainingContext,
): Pair[] {
  const pairs = readPairs(readPreferences(file), tokenizer, params.max_length, context)
  requireKnownTokens(
    pairs.flatMap(({ chosen, rejected }) => [chosen.ids, rejected.ids]),
    config,
  )
  return pairs
}

function requireOneReference(inputs: Context['inputs'], params: Context['params']): void {
  if (inputs.reference === undefined || params.reference === 'entering') return
  throw new StageFailure({
    code: 'invalid-parameter',
    message: 'an adapter is given as `reference`, and `reference: base` asks for the model without one',
    hint: 'leave one of the two out',
  })
}

function referenceOf(policy: Policy, inputs: Context['inputs'], params: Context['params']): Reference {
  const { model } = policy
  if (params.reference === 'base') return { model, adapter: undefined }
  if (inputs.reference === undefined) return policy
  return { model, adapter: loadAdapter(inputs.reference, model.config) }
}

/** Pairs with the reference's log-probabilities: computed once, and used in every epoch. */
async function referenced(
  pairs: readonly Pair[],
  reference: Reference,
  params: Context['params'],
  context: TrainingContext,
): Promise<ReferencedPair[]> {
  const sequences = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected])
  const logps = await referenceLogps(reference, sequences, 2 * params.batch_size, 1, context)
  return pairs.map((pair, index) =>
    referencedPair(pair, { chosen: logps[2 * index]!, rejected: logps[2 * index + 1]! }, params.ld_alpha),
  )
}
