/** @file What a format's row means, before it is written as instructions, preferences or rewards. */
import type { Message } from '../messages.ts'
import { compactPrompt } from '../messages.ts'
import type { PreferenceRow, RewardRow } from '../row-types.ts'

/** A dialogue that ends with the assistant's turn. */
export interface ConversationSample {
  readonly kind: 'conversation'
  readonly messages: readonly Message[]
}

/** Two answers, of which the first is preferred. */
export interface ComparisonSample {
  readonly kind: 'comparison'
  readonly prompt: readonly Message[]
  readonly chosen: string
  readonly rejected: string
  readonly chosenScore?: number
  readonly rejectedScore?: number
}

/** Several answers, each with a score. */
export interface ScoredSample {
  readonly kind: 'scored'
  readonly prompt: readonly Message[]
  readonly responses: readonly { readonly text: string; readonly score: number }[]
}

export type Sample = ConversationSample | ComparisonSample | ScoredSample

/** What rows can be converted to. */
export type Target = 'instructions' | 'preferences' | 'rewards'

export interface MessagesRow {
  readonly messages: readonly Message[]
}

export type GroupedReward = RewardRow & { readonly group: number }

export type TargetRow = MessagesRow | PreferenceRow | GroupedReward

export type Written =
  | { readonly rows: readonly TargetRow[] }
  /** A sound row that gives nothing, such as a tie. */
  | { readonly skipped: string }

/** Targets of each kind of sample, the natural one first. */
export const TARGETS: Readonly<Record<Sample['kind'], readonly Target[]>> = {
  conversation: ['instructions'],
  comparison: ['preferences', 'instructions', 'rewards'],
  scored: ['rewards', 'preferences', 'instructions'],
}

/**
 * Writes a sample as rows. A comparison without scores becomes rewards 1 and 0; scored answers become the pair of the
 * best and the worst (the earlier where several are equal), or the best as the answer to learn.
 */
export function writeSample(sample: Sample, target: Target, group: number): Written {
  switch (target) {
    case 'instructions':
      return writeInstruction(sample)
    case 'preferences':
      return writePreference(sample)
    case 'rewards':
      return writeRewards(sample, group)
    default:
      return target satisfies never
  }
}

function writeInstruction(sample: Sample): Written {
  if (sample.kind === 'conversation') return { rows: [{ messages: sample.messages }] }
  const answer = sample.kind === 'comparison' ? sample.chosen : extremes(sample).best.text
  return { rows: [{ messages: [...sample.prompt, { role: 'assistant', content: answer }] }] }
}

function writePreference(sample: Sample): Written {
  if (sample.kind === 'conversation') throw new Error('a conversation holds no preference')
  const prompt = compactPrompt(sample.prompt)
  if (sample.kind === 'comparison') {
    const { chosen, rejected, chosenScore, rejectedScore } = sample
    if (chosen === rejected) return { skipped: 'both answers are the same' }
    return {
      rows: [
        {
          prompt,
          chosen,
          rejected,
          ...(chosenScore !== undefined && { chosen_score: chosenScore }),
          ...(rejectedScore !== undefined && { rejected_score: rejectedScore }),
        },
      ],
    }
  }
  const { best, worst } = extremes(sample)
  if (best.score === worst.score) return { skipped: 'all answers have the same score' }
  return {
    rows: [
      {
        prompt,
        chosen: best.text,
        rejected: worst.text,
        chosen_score: best.score,
        rejected_score: worst.score,
      },
    ],
  }
}

function writeRewards(sample: Sample, group: number): Written {
  if (sample.kind === 'conversation') throw new Error('a conversation holds no rewards')
  const prompt = compactPrompt(sample.prompt)
  const responses =
    sample.kind === 'scored'
      ? sample.responses
      : [
          { text: sample.chosen, score: sample.chosenScore ?? 1 },
          { text: sample.rejected, score: sample.rejectedScore ?? 0 },
        ]
  return { rows: responses.map(({ text, score }) => ({ prompt, response: text, reward: score, group })) }
}

function extremes({ responses }: ScoredSample) {
  const [first] = responses
  if (!first) throw new Error('a scored sample holds at least one answer')
  let best = first
  let worst = first
  for (const response of responses) {
    if (response.score > best.score) best = response
    if (response.score < worst.score) worst = response
  }
  return { best, worst }
}
