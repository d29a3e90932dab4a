/**
 * @file One preference pair of a prompt's candidates: a best against a worst one (Yuan et al. 2024,
 * https://arxiv.org/abs/2401.10020), chance deciding among equals.
 */
import type { SeededRandom } from '../../lm/random.ts'
import { isScored, type ScoredCandidate, sameScore } from './scored.ts'

export interface PairRules {
  /** What happens to a prompt whose scored candidates all have the same score. */
  readonly ties: 'drop' | 'keep'
  /** The best score must exceed the worst by more than this. */
  readonly minGap: number
}

export type PairOutcome<C> =
  | { readonly kind: 'pair'; readonly chosen: C & ScoredCandidate; readonly rejected: C & ScoredCandidate }
  | { readonly kind: 'tie' }
  /** Fewer than two scores, a gap that is too small, or a best and a worst reply that read the same. */
  | { readonly kind: 'other' }

export function pickPair<C extends { readonly response: string; readonly score: number | null }>(
  candidates: readonly C[],
  rules: PairRules,
  random: SeededRandom,
): PairOutcome<C> {
  const scored = candidates.filter(isScored)
  if (scored.length < 2) return { kind: 'other' }
  const best = Math.max(...scored.map((candidate) => candidate.score))
  const worst = Math.min(...scored.map((candidate) => candidate.score))
  const tie = sameScore(best, worst)
  if (tie && rules.ties === 'drop') return { kind: 'tie' }
  if (!tie && best - worst <= rules.minGap) return { kind: 'other' }

  const chosen = random.choice(scored.filter((candidate) => sameScore(candidate.score, best)))
  const opponents = scored.filter(
    (candidate) => sameScore(candidate.score, worst) && candidate.response !== chosen.response,
  )
  if (opponents.length === 0) return { kind: 'other' }
  return { kind: 'pair', chosen, rejected: random.choice(opponents) }
}
