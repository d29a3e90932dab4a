/**
 * @file The control experiment: the judge's scores dealt out anew among the scored candidates of the same prompt.
 * Everything else of the data stays (prompts, replies, the scores' distribution, the number of ties), so what
 * training on the result gains, it does not owe to the judge.
 */
import type { SeededRandom } from '../../lm/random.ts'
import { isScored, type ScoredCandidate } from './scored.ts'

/** Candidates without a score keep none. */
export function shuffleScores<C extends { readonly score: number | null }>(
  candidates: readonly C[],
  random: SeededRandom,
): C[] {
  const scores = random.shuffle(
    candidates.filter(isScored).map((candidate: ScoredCandidate) => candidate.score),
  )
  return candidates.map((candidate) =>
    isScored(candidate) ? { ...candidate, score: scores.pop() as number } : candidate,
  )
}
