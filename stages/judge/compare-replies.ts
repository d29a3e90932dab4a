/** @file Two replies to one question compared, in both orders: for pairwise judging and for win rates. */
import { equalReplies, type PairVerdict, settlePair, winnerValue } from '../../lm/judging/pairwise.ts'
import { fillRubric } from '../../lm/judging/rubric.ts'
import { meanVote } from '../../lm/judging/verdict.ts'
import type { Writer } from '../sampling/writer.ts'
import { askJudge, type JudgeHooks, type JudgeSettings } from './ask-judge.ts'

export interface RepliesToCompare {
  readonly question: string
  readonly a: string
  readonly b: string
  /** The right answer, for a rubric that shows one. */
  readonly reference?: string
}

export interface ComparedReplies extends PairVerdict {
  /** For a over b, from 0 to 1: by the winner, or by the probabilities where verdicts are read from them. */
  readonly score: number | null
  /** What the judge says with a shown first, and with b; none where a and b read the same. */
  readonly outputs: readonly string[]
}

/** One result a comparison, in order. Replies that read the same are a tie, and nobody is asked. */
export async function compareReplies(
  writer: Writer,
  comparisons: readonly RepliesToCompare[],
  settings: JudgeSettings,
  hooks: JudgeHooks,
): Promise<ComparedReplies[]> {
  const { rubric } = settings
  const different = comparisons.filter(({ a, b }) => a !== b)
  const prompts = different.flatMap(({ a, b, ...values }) => [
    fillRubric(rubric, { ...values, reply_a: a, reply_b: b }),
    fillRubric(rubric, { ...values, reply_a: b, reply_b: a }),
  ])
  const votes = await askJudge(writer, prompts, settings, hooks)
  let next = 0
  return comparisons.map(({ a, b }) => {
    if (a === b) return { ...equalReplies, score: 0.5, outputs: [] }
    const orders = [votes[next++]!, votes[next++]!]
    const [forward, swapped] = orders.map((cast) => meanVote(cast.map(({ value }) => value)))
    const verdict = settlePair(forward!, swapped!)
    const score = settings.scoreFrom === 'logits' ? verdict.preference : winnerValue(verdict.winner)
    return { ...verdict, score, outputs: orders.map((cast) => cast[0]!.text) }
  })
}
