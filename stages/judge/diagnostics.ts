/** @file How the judge judged: what could be read, how far its votes agree, and what moves it that should not. */
import { correlation, rankCorrelation } from '../../lm/evaluation/correlation.ts'
import { mean } from '../../lm/evaluation/mean.ts'
import { agreementOf } from '../../lm/judging/agreement.ts'
import { orderDiagnostics } from '../../lm/judging/pairwise.ts'
import type { Rubric } from '../../lm/judging/rubric.ts'
import type { JudgedCandidate, JudgedRow } from '../../lm/text/rows.ts'
import type { JudgedRows } from './judge-rows.ts'

type Values = Record<string, number>

interface Scored {
  readonly row: number
  readonly text: string
  readonly score: number
  readonly source: string | undefined
}

/**
 * Named numbers, each only where there is something to measure it by.
 * @param ownSource `source` of the candidates that the judging model wrote itself; '' for none
 */
export function judgeDiagnostics(
  rows: readonly JudgedRow[],
  { scored, compared }: JudgedRows,
  rubric: Rubric,
  ownSource: string,
): Values & { readonly verdicts: number } {
  const candidates = rows.flatMap((row, index) => row.candidates.map((each) => ({ ...each, row: index })))
  const withScore = candidates.flatMap(({ row, response: text, score, source }): Scored[] =>
    score === null ? [] : [{ row, text, score, source }],
  )
  const asked = compared.filter(({ outputs }) => outputs.length > 0)
  const verdicts = [
    ...scored.flatMap(({ votes }) => votes),
    ...asked.flatMap(({ forward, swapped }) => [forward, swapped]),
  ]
  const values = finite({
    prompts: rows.length,
    candidates: candidates.length,
    scored_share: withScore.length / candidates.length,
    unread_share: verdicts.filter((verdict) => verdict === null).length / verdicts.length,
    ...distribution(withScore, rubric),
    ...voteAgreement(scored.map(({ votes }) => votes)),
    ...lengthBias(withScore),
    ...(rubric.mode === 'pairwise' && positionBias(compared, asked)),
    ...duplicates(candidates),
    ...selfPreference(withScore, ownSource),
  })
  return { ...values, verdicts: verdicts.length }
}

/** Bins of a histogram: whole scores where there are few, else tenths of the range. */
function distribution(scored: readonly Scored[], { mode, minimum, maximum }: Rubric): Values {
  const scores = scored.map(({ score }) => score)
  const middle = mean(scores)
  const whole = mode === 'score' && Number.isInteger(minimum) && maximum - minimum <= 10
  const step = whole ? 1 : (maximum - minimum) / 10
  const bins: Values = {}
  for (let bin = 0; minimum + bin * step <= maximum + 1e-9; bin++) {
    const mark = Number((minimum + bin * step).toPrecision(6))
    bins[`histogram/${mark}`] = scores.filter((score) => Math.round((score - minimum) / step) === bin).length
  }
  return {
    mean_score: middle,
    score_deviation: Math.sqrt(mean(scores.map((score) => (score - middle) ** 2))),
    different_scores: new Set(scores.map((score) => score.toFixed(9))).size,
    ...bins,
  }
}

function voteAgreement(votes: readonly (readonly (number | null)[])[]): Values {
  const agreement = agreementOf(votes.map((each) => each.filter((vote) => vote !== null)))
  if (agreement === undefined) return {}
  return {
    vote_agreement: agreement.equal,
    vote_deviation: agreement.deviation,
    krippendorff_alpha: agreement.alpha,
  }
}

/** Over all replies, and between the replies of a prompt only: there, no harder question explains it. */
function lengthBias(scored: readonly Scored[]): Values {
  const within = groups(scored, ({ row }) => row).flatMap((group) => {
    const [score, length] = [
      mean(group.map((each) => each.score)),
      mean(group.map(({ text }) => text.length)),
    ]
    return group.map((each) => [each.score - score, each.text.length - length] as const)
  })
  return {
    length_spearman: rankCorrelation(scored.map(({ score, text }) => [score, text.length])),
    length_correlation_within_prompts: correlation(within),
  }
}

function positionBias(compared: JudgedRows['compared'], asked: JudgedRows['compared']): Values {
  const orders = orderDiagnostics(asked)
  return {
    comparisons: compared.length,
    tied_share: compared.filter(({ winner }) => winner === 'tie').length / compared.length,
    ...(orders !== undefined && {
      order_agreement: orders.agreement,
      follows_place: orders.followsPlace,
      first_preferred: orders.firstPreferred,
    }),
  }
}

/** Replies that read the same must have the same score: `duplicate_score_gap` is 0, or the judging is at fault. */
function duplicates(candidates: readonly (JudgedCandidate & { readonly row: number })[]): Values {
  const repeated = groups(candidates, ({ row, response }) => JSON.stringify([row, response])).filter(
    ({ length }) => length > 1,
  )
  const gaps = repeated.map((group) => {
    const scores = group.flatMap(({ score }) => score ?? [])
    return scores.length === 0 ? 0 : Math.max(...scores) - Math.min(...scores)
  })
  return {
    duplicates: repeated.reduce((sum, { length }) => sum + length - 1, 0),
    ...(gaps.length > 0 && { duplicate_score_gap: Math.max(...gaps) }),
  }
}

/** What a prompt's own replies gain over the others of the prompt; over replies that read the same, too. */
function selfPreference(scored: readonly Scored[], ownSource: string): Values {
  const values: Values = {}
  const bySource = groups(
    scored.filter(({ source }) => source !== undefined),
    ({ source }) => source,
  )
  if (bySource.length < 2) return values
  for (const group of bySource)
    values[`mean_score/${group[0]!.source}`] = mean(group.map(({ score }) => score))
  if (ownSource === '') return values
  const gain = (of: readonly (readonly Scored[])[]) =>
    mean(
      of.flatMap((group) => {
        const own = group.filter(({ source }) => source === ownSource)
        const others = group.filter(({ source }) => source !== ownSource)
        if (own.length === 0 || others.length === 0) return []
        return [mean(own.map(({ score }) => score)) - mean(others.map(({ score }) => score))]
      }),
    )
  values.self_preference = gain(groups(scored, ({ row }) => row))
  values.self_preference_on_duplicates = gain(groups(scored, ({ row, text }) => JSON.stringify([row, text])))
  return values
}

function groups<Item>(items: readonly Item[], keyOf: (item: Item) => unknown): Item[][] {
  const found = new Map<unknown, Item[]>()
  for (const item of items) {
    const group = found.get(keyOf(item))
    if (group === undefined) found.set(keyOf(item), [item])
    else group.push(item)
  }
  return [...found.values()]
}

/** What could not be measured is left out. */
export function finite(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => Number.isFinite(value)))
}
