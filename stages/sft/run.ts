import type { ContextOf } from 'flow/stage'
import { type Sequence, tokenBatch } from '../../lm/training/batch.ts'
import { dynamicFineTuning, supervised, supervisedShares } from '../../lm/training/objectives/supervised.ts'
import type { TrainingTask } from '../../lm/training/trainer.ts'
import { checkMix, joinSets } from '../training/mix.ts'
import { loadPolicy, requireRows, runTraining, trainerSettings } from '../training/policy.ts'
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
  const policy = await loadPolicy(inputs, params, context)
  const read = (file: string) => readSequences(file, policy.model.tokenizer, settings)
  const sets = Object.entries(inputs.data).map(([label, file]) => [label, read(file)] as const)
  const heldOut = inputs.validation === undefined ? undefined : read(inputs.validation)
  warnOfLosses([...sets.map(([, set]) => set), ...(heldOut ? [heldOut] : [])], params.max_length, context)
  const sequences = joinSets(Object.fromEntries(sets.map(([label, set]) => [label, set.sequences])), params)
  requireRows(sequences, params.max_length)
  if (heldOut !== undefined) requireRows(heldOut.sequences, params.max_length)
  const task = { ...supervisedTask(sequences, params.loss_type), heldOut: heldOut?.sequences }
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
  sequences: readonly Sequence[],
  loss: 'nll' | 'dft' = 'nll',
): TrainingTask<Sequence> {
  return {
    rows: sequences,
    objective: loss === 'nll' ? supervised : dynamicFineTuning,
    lengthOf: (row) => row.ids.length,
    collate: (rows, whole) => {
      const { arrays, layout, length } = tokenBatch(rows)
      return {
        arrays: { ...arrays, ...supervisedShares(arrays, layout, whole) },
        sequences: rows.length,
        length,
        tokens: rows.reduce((sum, row) => sum + row.ids.length, 0),
      }
    },
    columns: (metrics) => metrics,
  }
}
