import type { ContextOf } from 'flow/stage'
import { type Sequence, tokenBatch } from '../../lm/training/batch.ts'
import { supervised, supervisedShares } from '../../lm/training/objectives/supervised.ts'
import type { TrainingTask } from '../../lm/training/trainer.ts'
import { loadPolicy, requireRows, runTraining, trainerSettings } from '../training/policy.ts'
import type stage from './index.ts'
import { emphasisPattern, readSequences } from './rows.ts'

export async function fineTune({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  const policy = await loadPolicy(inputs, params, context)
  const { emphasis } = params
  const { sequences, dropped, unmarkedTurns } = readSequences(
    Object.values(inputs.data),
    policy.model.tokenizer,
    {
      maxLength: params.max_length,
      trainOnPrompt: params.train_on_prompt,
      emphasis: emphasis && { pattern: emphasisPattern(emphasis.pattern), weight: emphasis.weight },
    },
  )
  if (dropped > 0)
    context.warn(`${dropped} rows dropped: max_length ${params.max_length} leaves nothing of their answer`)
  if (unmarkedTurns > 0)
    context.warn(`${unmarkedTurns} earlier answers are not trained: the chat template rewrites them`)
  requireRows(sequences, params.max_length)
  await runTraining('sft', policy, supervisedTask(sequences), trainerSettings(params), outputs, context)
}

export function supervisedTask(sequences: readonly Sequence[]): TrainingTask<Sequence> {
  return {
    rows: sequences,
    objective: supervised,
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
