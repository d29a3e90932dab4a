/** @file Judged prompts as the rows that training reads: pairs, rewards and groups, with what was counted. */
import { createRandom } from '../../lm/random.ts'
import type {
  JudgedCandidate,
  JudgedRow,
  PreferenceRow,
  RewardGroupRow,
  RewardRow,
} from '../../lm/text/rows.ts'
import { pickPair } from './pick-pair.ts'
import { isScored, type ScoredCandidate, sameScore } from './scored.ts'
import { shuffleScores } from './shuffle-scores.ts'
import { softmaxWeights } from './softmax.ts'

export interface CleanOptions {
  readonly ties: 'drop' | 'keep'
  readonly minGap: number
  readonly temperature: number
  readonly scores: 'judged' | 'shuffled'
  readonly seed: number
}

/** `total` = `kept` + `dropped_tie` + `dropped_other`; the others are counted beside them. */
export interface CleanCounters {
  /** Judged prompts. */
  readonly total: number
  /** Prompts that gave a pair. */
  readonly kept: number
  /** Prompts with at least one candidate without a score, kept or not. */
  readonly had_nan: number
  /** Prompts whose scores are all equal. */
  readonly dropped_tie: number
  /** Prompts with fewer than two scores, too small a gap, or a best and a worst reply that read the same. */
  readonly dropped_other: number
  readonly candidates: number
  /** Candidates without a score; they stand in no output. */
  readonly unscored: number
}

export type GroupedRewardRow = RewardRow & { readonly group: number }

export interface TrainingRows {
  readonly preferences: readonly PreferenceRow[]
  readonly rewards: readonly GroupedRewardRow[]
  readonly groups: readonly RewardGroupRow[]
  readonly counters: CleanCounters
}

type Scored = JudgedCandidate & ScoredCandidate

export function trainingRows(judged: readonly JudgedRow[], options: CleanOptions): TrainingRows {
  const preferences: PreferenceRow[] = []
  const rewards: GroupedRewardRow[] = []
  const groups: RewardGroupRow[] = []
  const counted = {
    total: judged.length,
    kept: 0,
    had_nan: 0,
    dropped_tie: 0,
    dropped_other: 0,
    candidates: 0,
    unscored: 0,
  }
  for (const [index, row] of judged.entries()) {
    // Each prompt draws from a sequence of its own, so that one prompt's candidates do not change another's pair.
    const candidates =
      options.scores === 'shuffled'
        ? shuffleScores(row.candidates, createRandom(`clean/${options.seed}/scores/${index}`))
        : row.candidates
    const scored = candidates.filter(isScored)
    counted.candidates += candidates.length
    counted.unscored += candidates.length - scored.length
    if (scored.length < candidates.length) counted.had_nan += 1

    for (const candidate of scored) rewards.push(rewardRow(row, candidate, index))
    if (scored.length > 1) groups.push(groupRow(row, scored, options.temperature))
    const outcome = pickPair(candidates, options, createRandom(`clean/${options.seed}/pair/${index}`))
    if (outcome.kind === 'pair') {
      counted.kept += 1
      preferences.push(preferenceRow(row, outcome.chosen, outcome.rejected))
    } else {
      counted[outcome.kind === 'tie' ? 'dropped_tie' : 'dropped_other'] += 1
    }
  }
  return { preferences, rewards, groups, counters: counted }
}

/** Whether any prompt has two different rewards: without it there is nothing to learn from them. */
export function hasSpread(rewards: readonly GroupedRewardRow[]): boolean {
  const firstOfGroup = new Map<number, number>()
  return rewards.some(({ group, reward }) => {
    const first = firstOfGroup.get(group)
    if (first === undefined) firstOfGroup.set(group, reward)
    return first !== undefined && !sameScore(first, reward)
  })
}

/** Rewards and groups of ready pairs: their scores, or 1 for the chosen and 0 for the rejected reply. */
export function rowsOfPairs(
  pairs: readonly PreferenceRow[],
  temperature: number,
): Pick<TrainingRows, 'rewards' | 'groups'> {
  const rewards: GroupedRewardRow[] = []
  const groups: RewardGroupRow[] = []
  for (const [group, { prompt, chosen, rejected, chosen_score, rejected_score }] of pairs.entries()) {
    const scores = [chosen_score ?? 1, rejected_score ?? 0]
    const responses = [chosen, rejected]
    responses.forEach((response, index) => {
      rewards.push({ prompt, response, reward: scores[index]!, group })
    })
    groups.push({ prompt, responses, weights: softmaxWeights(scores, temperature), rewards: scores })
  }
  return { rewards, groups }
}

function preferenceRow(row: JudgedRow, chosen: Scored, rejected: Scored): PreferenceRow {
  return {
    prompt: row.instruction,
    chosen: chosen.response,
    rejected: rejected.response,
    chosen_score: chosen.score,
    rejected_score: rejected.score,
    ...(chosen.token_ids === undefined ? {} : { chosen_token_ids: chosen.token_ids }),
    ...(rejected.token_ids === undefined ? {} : { rejected_token_ids: rejected.token_ids }),
  }
}

function rewardRow(row: JudgedRow, candidate: Scored, group: number): GroupedRewardRow {
  return {
    prompt: row.instruction,
    response: candidate.response,
    reward: candidate.score,
    group,
    ...(candidate.token_ids === undefined ? {} : { token_ids: candidate.token_ids }),
    ...(candidate.logps === undefined ? {} : { logps: candidate.logps }),
    ...(candidate.finished === undefined ? {} : { finished: candidate.finished }),
  }
}

/** A field of all candidates, or none where one of them lacks it: the lists of a row stay parallel. */
function column<T>(values: readonly (T | undefined)[]): readonly T[] | undefined {
  return values.every((value): value is T => value !== undefined) ? values : undefined
}

function groupRow(row: JudgedRow, scored: readonly Scored[], temperature: number): RewardGroupRow {
  const rewards = scored.map((candidate) => candidate.score)
  const tokenIds = column(scored.map((candidate) => candidate.token_ids))
  const logps = column(scored.map((candidate) => candidate.logps))
  const finished = column(scored.map((candidate) => candidate.finished))
  return {
    prompt: row.instruction,
    responses: scored.map((candidate) => candidate.response),
    weights: softmaxWeights(rewards, temperature),
    rewards,
    ...(tokenIds === undefined ? {} : { token_ids: tokenIds }),
    ...(logps === undefined ? {} : { logps }),
    ...(finished === undefined ? {} : { finished }),
  }
}
