/** @file Replies scored one by one: mean of the votes, whoever asks. */
import { fillRubric } from '../../lm/judging/rubric.ts'
import { meanVote } from '../../lm/judging/verdict.ts'
import type { Writer } from '../sampling/writer.ts'
import { askJudge, type JudgeHooks, type JudgeSettings } from './ask-judge.ts'

export interface ReplyToScore {
  readonly question: string
  readonly reply: string
  /** The right answer, for a rubric that shows one. */
  readonly reference?: string
}

export interface ScoredReply {
  /** Mean of the votes that could be read; null where none could. */
  readonly score: number | null
  readonly votes: readonly (number | null)[]
  /** What the first vote says. */
  readonly judge_output: string
}

/** One result a reply, in order. Equal replies to one question get one set of votes. */
export async function scoreReplies(
  writer: Writer,
  replies: readonly ReplyToScore[],
  settings: JudgeSettings,
  hooks: JudgeHooks,
): Promise<ScoredReply[]> {
  const prompts = replies.map((values) => fillRubric(settings.rubric, { ...values }))
  return (await askJudge(writer, prompts, settings, hooks)).map((cast) => {
    const votes = cast.map(({ value }) => value)
    return { judge_output: cast[0]!.text, votes, score: meanVote(votes) }
  })
}
