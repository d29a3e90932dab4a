/** @file The judge measured on rows whose verdict is known: pairs with a better reply, or replies with a score. */
import { correlation, rankCorrelation } from '../../lm/evaluation/correlation.ts'
import { mean } from '../../lm/evaluation/mean.ts'
import { wilsonInterval } from '../../lm/evaluation/wilson.ts'
import { readRows } from '../../lm/text/read-rows.ts'
import { readPreferences, readRewards } from '../../lm/text/rows.ts'
import type { Writer } from '../sampling/writer.ts'
import type { JudgeHooks, JudgeSettings } from './ask-judge.ts'
import { compareReplies } from './compare-replies.ts'
import { finite } from './diagnostics.ts'
import { checkReferences, type Question, questionOf, type RowToJudge } from './questions.ts'
import { scoreReplies } from './score-replies.ts'

interface LabelledReply extends Question {
  readonly reply: string
  /** The known score; absent in pairs. */
  readonly gold?: number
}

export interface Labels {
  readonly replies: readonly LabelledReply[]
  /** Places of the better and the worse reply. */
  readonly pairs: readonly (readonly [better: number, worse: number])[]
}

/** Preferences, or rewards, of which each two of a prompt whose scores differ make a pair. @throws LmFailure, StageFailure */
export function readLabels(file: string, settings: JudgeSettings): Labels {
  const isPairs = readRows(file).rows[0]?.value.chosen !== undefined
  return isPairs ? labelledPairs(file, settings) : labelledScores(file, settings)
}

function labelledPairs(file: string, { rubric }: JudgeSettings): Labels {
  const rows = readPreferences(file)
  checkReferences(rubric, rows, file)
  return {
    replies: rows.flatMap((row) => {
      const question = questionOf(row)
      return [
        { ...question, reply: row.chosen },
        { ...question, reply: row.rejected },
      ]
    }),
    pairs: rows.map((_, index) => [2 * index, 2 * index + 1] as const),
  }
}

function labelledScores(file: string, { rubric }: JudgeSettings): Labels {
  const rows = readRewards(file)
  checkReferences(rubric, rows, file)
  const places = new Map<number, number[]>()
  rows.forEach(({ group }, place) => {
    places.set(group, [...(places.get(group) ?? []), place])
  })
  const pairs = [...places.values()].flatMap((group) =>
    group.flatMap((a, index) =>
      group.slice(index + 1).flatMap((b): (readonly [number, number])[] => {
        const difference = rows[a]!.reward - rows[b]!.reward
        return difference === 0 ? [] : [difference > 0 ? [a, b] : [b, a]]
      }),
    ),
  )
  return {
    replies: rows.map((row) => ({ ...questionOf(row as RowToJudge), reply: row.response, gold: row.reward })),
    pairs,
  }
}

/**
 * `labels/accuracy`: share of the pairs of which the judge prefers the better reply, one that it cannot tell apart as
 * half, with Wilson's interval of 95%; `labels/ties`, `labels/unread`, `labels/pairs`. Where scores are known and
 * given: `labels/mean_absolute_error`, `labels/pearson`, `labels/spearman`, `labels/replies`.
 */
export async function judgeLabels(
  writer: Writer,
  { replies, pairs }: Labels,
  settings: JudgeSettings,
  hooks: JudgeHooks,
): Promise<Record<string, number>> {
  if (settings.rubric.mode === 'pairwise') {
    const compared = await compareReplies(
      writer,
      pairs.map(([better, worse]) => {
        const { reply: a, gold: _, ...question } = replies[better]!
        return { ...question, a, b: replies[worse]!.reply }
      }),
      settings,
      hooks,
    )
    return pairAccuracy(compared.map(({ score }) => (score === null ? null : score - 0.5)))
  }
  const scores = (await scoreReplies(writer, replies, settings, hooks)).map(({ score }) => score)
  const gaps = pairs.map(([better, worse]) => {
    const [a, b] = [scores[better]!, scores[worse]!]
    return a === null || b === null ? null : a - b
  })
  const known = replies.flatMap(({ gold }, index) => {
    const score = scores[index]!
    return gold === undefined || score === null ? [] : [[score, gold] as const]
  })
  return {
    ...pairAccuracy(gaps),
    ...(replies.some(({ gold }) => gold !== undefined) &&
      finite({
        'labels/replies': known.length,
        'labels/mean_absolute_error': mean(known.map(([score, gold]) => Math.abs(score - gold))),
        'labels/pearson': correlation(known),
        'labels/spearman': rankCorrelation(known),
      })),
  }
}

/** Means of votes that are equal on paper may differ in their last bits. */
const equalGap = 1e-9

/** @param gaps by how much each better reply is preferred; null where a verdict could not be read */
function pairAccuracy(gaps: readonly (number | null)[]): Record<string, number> {
  const read = gaps.filter((gap) => gap !== null)
  const ties = read.filter((gap) => Math.abs(gap) < equalGap).length
  const right = read.filter((gap) => gap >= equalGap).length
  const accuracy = (right + ties / 2) / read.length
  const interval = wilsonInterval(accuracy, read.length)
  return finite({
    'labels/pairs': gaps.length,
    'labels/unread': (gaps.length - read.length) / gaps.length,
    'labels/accuracy': accuracy,
    'labels/accuracy_low': interval.low,
    'labels/accuracy_high': interval.high,
    'labels/ties': ties / read.length,
  })
}
