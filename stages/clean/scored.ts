/** @file Which candidates have a score at all. A missing verdict is no verdict: it never becomes 0. */

export interface ScoredCandidate {
  readonly score: number
}

export function isScored<C extends { readonly score: number | null }>(
  candidate: C,
): candidate is C & ScoredCandidate {
  return candidate.score !== null && Number.isFinite(candidate.score)
}

/** Means of votes that are equal on paper may differ in their last bits. */
export function sameScore(a: number, b: number): boolean {
  return Math.abs(a - b) < 1e-9
}
