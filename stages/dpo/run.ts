import { type ContextOf, StageFailure } from 'flow/stage'
import { encodePair, encodePrompt, isPromptKept } from '../../lm/text/conversation.ts'
import { promptMessages } from '../../lm/text/messages.ts'
import { type PreferenceRow, readPreferences } from '../../lm/text/rows.ts'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'
import { membership, perSequence, type Sequence, tokenBatch } from '../../lm/training/batch.ts'
import { preference } from '../../lm/training/objectives/preference.ts'
import type { TrainingTask } from '../../lm/training/trainer.ts'
import {
  completionSequence,
  loadPolicy,
  referenceLogps,
  requireRows,
  runTraining,
  trainerSettings,
} from '../training/policy.ts'
import type stage from './index.ts'

interface Pair {
  readonly chosen: Sequence
  readonly rejected: Sequence
}

interface ReferencedPair extends Pair {
  /** Summed log-probabilities under the reference. */
  readonly referenceChosen: number
  readonly referenceRejected: number
}

export async function optimisePreferences({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  if (params.loss === 'exo_pair' && params.label_smoothing === 0) {
    throw new StageFailure({
      code: 'invalid-parameter',
      message: 'the loss exo_pair needs `label_smoothing` above 0: it contains its logarithm',
      hint: '1e-3 is usual',
    })
  }
  const policy = await loadPolicy(inputs, params, context)
  const rows = readPreferences(inputs.data)
  const encoded = rows.map((row) => encodeRow(policy.model.tokenizer, row))
  const merged = encoded.filter((each) => !each.isPromptKept).length
  if (merged > 0)
    context.warn(`${merged} pairs whose answers merge with the prompt's last tokens: those are trained too`)
  const pairs = encoded.flatMap((each) => cutPair(each, params.max_length) ?? [])
  const dropped = rows.length - pairs.length
  if (dropped > 0)
    context.warn(`${dropped} pairs dropped: max_length ${params.max_length} leaves nothing of an answer`)
  requireRows(pairs, params.max_length)

  // The reference is the policy as it enters the stage, computed once and used in every epoch.
  const logps = await referenceLogps(
    policy,
    pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]),
    2 * params.batch_size,
    1,
    context,
  )
  const sums = logps.map((values) => values.reduce((a, b) => a + b, 0))
  const referenced = pairs.map(
    (pair, index): ReferencedPair => ({
      ...pair,
      referenceChosen: sums[2 * index]!,
      referenceRejected: sums[2 * index + 1]!,
    }),
  )
  const objective = preference({
    loss: params.loss,
    beta: params.beta,
    labelSmoothing: params.label_smoothing,
    rpoAlpha: params.rpo_alpha,
  })
  await runTraining('dpo', policy, pairTask(referenced, objective), trainerSettings(params), outputs, context)
}

interface EncodedRow {
  readonly prompt: readonly number[]
  readonly chosen: readonly number[]
  readonly rejected: readonly number[]
  /** False where an answer's first token swallows the prompt's last. */
  readonly isPromptKept: boolean
}

/** Stored tokens go before text: they are what the policy wrote. */
function encodeRow(tokenizer: Tokenizer, row: PreferenceRow): EncodedRow {
  const messages = promptMessages(row.prompt)
  if (row.chosen_token_ids !== undefined && row.rejected_token_ids !== undefined) {
    return {
      prompt: encodePrompt(tokenizer, messages),
      chosen: row.chosen_token_ids,
      rejected: row.rejected_token_ids,
      isPromptKept: true,
    }
  }
  const pair = encodePair(tokenizer, messages, row.chosen, row.rejected)
  const { prompt, chosen: completion } = pair
  return { ...pair, isPromptKept: isPromptKept(tokenizer, messages, { prompt, completion }) }
}

/** Undefined where truncation leaves nothing of one of the answers. */
function cutPair({ prompt, chosen, rejected }: EncodedRow, maxLength: number): Pair | undefined {
  const pair = {
    chosen: completionSequence(prompt, chosen, maxLength),
    rejected: completionSequence(prompt, rejected, maxLength),
  }
  return pair.chosen && pair.rejected ? { chosen: pair.chosen, rejected: pair.rejected } : undefined
}

function targets({ weights }: Sequence): number {
  let count = 0
  for (let position = 1; position < weights.length; position++) if (weights[position]) count++
  return count
}

function pairTask(
  rows: readonly ReferencedPair[],
  objective: ReturnType<typeof preference>,
): TrainingTask<ReferencedPair> {
  return {
    rows,
    objective,
    lengthOf: ({ chosen, rejected }) => Math.max(chosen.ids.length, rejected.ids.length),
    collate: (part, whole) => {
      const sequences = [...part.map(({ chosen }) => chosen), ...part.map(({ rejected }) => rejected)]
      const { arrays, layout, length } = tokenBatch(sequences)
      const chosenTokens = whole.reduce((sum, { chosen }) => sum + targets(chosen), 0)
      const likelihood = new Float32Array(layout.slots)
      for (const { start, count } of layout.spans.slice(0, part.length)) {
        likelihood.fill(1 / chosenTokens, start, start + count)
      }
      return {
        arrays: {
          ...arrays,
          membership: membership(layout),
          lengths: perSequence(layout.spans.map(({ count }) => count)),
          reference: perSequence([
            ...part.map(({ referenceChosen }) => referenceChosen),
            ...part.map(({ referenceRejected }) => referenceRejected),
          ]),
          share: { shape: [], data: Float32Array.of(1 / whole.length) },
          likelihood: { shape: [layout.slots], data: likelihood },
        },
        sequences: sequences.length,
        length,
        tokens: sequences.reduce((sum, { ids }) => sum + ids.length, 0),
      }
    },
    columns: (metrics) => metrics,
  }
}
