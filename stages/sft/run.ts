import type { ContextOf } from 'flow/stage'
import type { Sequence } from '../../lm/batches/sequence.ts'
import { tokenBatch } from '../../lm/batches/token-batch.ts'
import type { DecoderConfig } from '../../lm/model/config.ts'
import { dropoutArrays } from '../../lm/training/adapter-dropout.ts'
import { embeddingNoise, type NoiseSettings } from '../../lm/training/neftune.ts'
import { dynamicFineTuning, supervised, supervisedShares } from '../../lm/training/objectives/supervised.ts'
import { pack } from '../../lm/training/packing.ts'
import type { TrainingTask } from '../../lm/training/trainer.ts'
import { checkMix, joinSets } from '../training/mix.ts'
import { loadPolicy, type Policy, requireRows, runTraining, trainerSettings } from '../training/policy.ts'
import { validationSettings } from '../training/validation.ts'
import type stage from './index.ts'
import { emphasisPattern, readSequences, type SequenceSettings, type Sequences } from './rows.ts'

type Context = ContextOf<typeof stage>

export async function fineTune({ inputs, outputs, params, ...context }: Context): Promise<void> {
  checkMix(params, Object.keys(inputs.data))
  const validation = validationSettings(params, inputs.validation, ['mean_token_accuracy', 'entropy'])
  const { emphasis } = params
  const settings: SequenceSettings = {
    maxLength: params.max_length,
    trainOnPrompt: params.train_on_prompt,
    emphasis: emphasis && { pattern: emphasisPattern(emphasis.pattern), weight: emphasis.weight },
  }
  // What is wrapped is cut at the rows' edges, not at its own end.
  const isWrapped = params.packing && params.packing_strategy === 'wrapped'
  const policy = await loadPolicy(inputs, params, context)
  const { tokenizer, config } = policy.model
  const sets = Object.entries(inputs.data).map(([label, file]) => {
    const maxLength = isWrapped ? Number.POSITIVE_INFINITY : params.max_length
    return [label, readSequences(file, tokenizer, { ...settings, maxLength })] as const
  })
  const heldOut =
    inputs.validation === undefined ? undefined : readSequences(inputs.validation, tokenizer, settings)
  warnOfLosses([...sets.map(([, set]) => set), ...(heldOut ? [heldOut] : [])], params.max_length, context)
  const sequences = joinSets(Object.fromEntries(sets.map(([label, set]) => [label, set.sequences])), params)
  const rows = params.packing ? pack(sequences, params.max_length, params.packing_strategy) : sequences
  requireRows(rows, params.max_length)
  if (params.packing) context.log(`packed: ${sequences.length} rows in ${rows.length} sequences`)
  if (heldOut !== undefined) requireRows(heldOut.sequences, params.max_length)
  const noise = { alpha: params.neftune_noise_alpha, seed: params.seed }
  const task: TrainingTask<Sequence> = {
    ...supervisedTask(rows, params.loss_type),
    heldOut: heldOut?.sequences,
    disturb: disturbances([
      ...(noise.alpha > 0 ? [noisyEmbeddings(config, noise)] : []),
      ...(policy.adapter.settings.dropout > 0 ? [droppedInputs(policy, params.seed)] : []),
    ]),
  }
  await runTraining('sft', policy, task, { ...trainerSettings(params), validation }, outputs, context)
}

function warnOfLosses(sets: readonly Sequences[], maxLength: number, { warn }: Pick<Context, 'warn'>): void {
  const dropped = sets.reduce((sum, set) => sum + set.dropped, 0)
  const unmarkedTurns = sets.reduce((sum, set) => sum + set.unmarkedTurns, 0)
  if (dropped > 0) warn(`${dropped} rows dropped: max_length ${maxLength} leaves nothing of their answer`)
  if (unmarkedTurns > 0)
    warn(`${unmarkedTurns} earlier answers are not trained: the chat template rewrites them`)
}

export function supervisedTask(
  rows: readonly Sequence[],
  loss: 'nll' | 'dft' = 'nll',
): TrainingTask<Sequence> {
  return {
    rows,
    objective: loss === 'nll' ? supervised : dynamicFineTuning,
    sequencesOf: (row) => [row],
    separable: true,
    collate: (part, whole, settings) => {
      const { arrays, layout } = tokenBatch(part, settings)
      return {
        arrays: { ...arrays, ...supervisedShares(arrays, layout, whole) },
        layout,
        tokens: part.reduce((sum, row) => sum + row.ids.length, 0),
      }
    },
    columns: (metrics) => metrics,
  }
}

type Disturbance = NonNullable<TrainingTask<Sequence>['disturb']>

function disturbances(all: readonly Disturbance[]): Disturbance | undefined {
  if (all.length === 0) return undefined
  return (batch, rows, place) => all.reduce((disturbed, disturb) => disturb(disturbed, rows, place), batch)
}

function droppedInputs({ model, adapter }: Policy, seed: number): Disturbance {
  return (batch, _rows, place) => ({
    ...batch,
    arrays: { ...batch.arrays, ...dropoutArrays(adapter.modules, model.config, batch.layout, seed, place) },
  })
}

function noisyEmbeddings({ hiddenSize }: DecoderConfig, settings: NoiseSettings): Disturbance {
  return (batch, rows, place) => {
    const longest = Math.max(...rows.map(({ ids }) => ids.length))
    const noise = embeddingNoise(batch.layout, longest, hiddenSize, settings, place)
    return { ...batch, arrays: { ...batch.arrays, noise } }
  }
}
