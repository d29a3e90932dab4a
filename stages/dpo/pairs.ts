/** @file Preference rows as pairs of token sequences. */
import { type StageContext, StageFailure } from 'flow/stage'
import type { Sequence } from '../../lm/batches/sequence.ts'
import { encodePair, encodePrompt, isPromptKept } from '../../lm/text/conversation.ts'
import { promptMessages } from '../../lm/text/messages.ts'
import type { PreferenceRow } from '../../lm/text/rows.ts'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'
import { completionSequence, requireRows } from '../training/policy.ts'

export interface Pair {
  readonly chosen: Sequence
  readonly rejected: Sequence
}

/**
 * Pairs that prefer nothing and pairs of which `maxLength` leaves nothing are dropped, and counted in a warning.
 * @throws StageFailure `no-preference`, `no-rows` where none is left
 */
export function readPairs(
  rows: readonly PreferenceRow[],
  tokenizer: Tokenizer,
  maxLength: number,
  { warn }: Pick<StageContext<object, object, object>, 'warn'>,
): Pair[] {
  const encoded = rows.map((row) => encodeRow(tokenizer, row))
  const preferring = encoded.filter(({ chosen, rejected }) => !equal(chosen, rejected))
  if (rows.length > 0 && preferring.length === 0) {
    throw new StageFailure({
      code: 'no-preference',
      message: 'chosen and rejected are the same in every row',
      hint: 'there is nothing to learn from such pairs: look at what wrote them',
    })
  }
  const same = encoded.length - preferring.length
  if (same > 0) warn(`${same} pairs dropped: chosen and rejected are the same`)
  const merged = preferring.filter((each) => !each.isPromptKept).length
  if (merged > 0)
    warn(`${merged} pairs whose answers merge with the prompt's last tokens: those are trained too`)
  const pairs = preferring.flatMap((each) => cutPair(each, maxLength) ?? [])
  const dropped = preferring.length - pairs.length
  if (dropped > 0) warn(`${dropped} pairs dropped: max_length ${maxLength} leaves nothing of an answer`)
  requireRows(pairs, maxLength)
  return pairs
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

function equal(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, index) => id === b[index])
}

/** Undefined where truncation leaves nothing of one of the answers. */
function cutPair({ prompt, chosen, rejected }: EncodedRow, maxLength: number): Pair | undefined {
  const pair = {
    chosen: completionSequence(prompt, chosen, maxLength),
    rejected: completionSequence(prompt, rejected, maxLength),
  }
  return pair.chosen && pair.rejected ? { chosen: pair.chosen, rejected: pair.rejected } : undefined
}
