/** @file What comparisons come to. */
import { mean } from '../../lm/evaluation/mean.ts'
import { wilsonInterval } from '../../lm/evaluation/wilson.ts'
import { orderDiagnostics, type PairVerdict, winRate } from '../../lm/judging/pairwise.ts'

/** Replies are of like length where the longer has at most so many times the words of the shorter. */
const likeLength = 1.25

/**
 * `win_rate` of a (ties count half) with Wilson's interval of 95%, which is wider than it need be where there are ties;
 * `wins`, `ties`, `losses`, `unread`, `comparisons`; `agreement`: share of the pairs asked whose two orders agree;
 * `first_preferred`: how often the reply shown first is preferred, 0.5 without position bias; `mean_words/a`,
 * `mean_words/b`; `win_rate/like_length` and `comparisons/like_length`: the same over pairs of like length, where
 * length cannot have decided. Undefined where no verdict could be read.
 */
export function winRateMetrics(
  pairs: readonly { readonly a: string; readonly b: string }[],
  verdicts: readonly PairVerdict[],
): Record<string, number> | undefined {
  const { rate, ...counts } = winRate(verdicts.map(({ winner }) => winner))
  if (Number.isNaN(rate)) return undefined
  const interval = wilsonInterval(rate, counts.wins + counts.ties + counts.losses)
  const asked = verdicts.filter((_, index) => pairs[index]!.a !== pairs[index]!.b)
  const orders = orderDiagnostics(asked)
  const like = winRate(verdicts.flatMap(({ winner }, index) => (areAlike(pairs[index]!) ? [winner] : [])))
  return {
    win_rate: rate,
    win_rate_low: interval.low,
    win_rate_high: interval.high,
    ...counts,
    ...(orders !== undefined && {
      agreement: orders.agreement,
      first_preferred: orders.firstPreferred,
    }),
    'mean_words/a': mean(pairs.map(({ a }) => words(a))),
    'mean_words/b': mean(pairs.map(({ b }) => words(b))),
    'comparisons/like_length': like.comparisons,
    ...(!Number.isNaN(like.rate) && { 'win_rate/like_length': like.rate }),
  }
}

function areAlike({ a, b }: { readonly a: string; readonly b: string }): boolean {
  const [shorter, longer] = [words(a), words(b)].sort((one, other) => one - other) as [number, number]
  return longer <= shorter * likeLength
}

function words(text: string): number {
  return text.split(/\s+/u).filter((word) => word !== '').length
}
