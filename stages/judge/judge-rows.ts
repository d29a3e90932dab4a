/** @file Candidates of prompts with the judge's verdicts: each scored by itself, or compared with the others. */
import { type Pairing, pairsOf, pairwiseScores } from '../../lm/judging/pairwise.ts'
import type { ResponseRow } from '../../lm/text/rows.ts'
import type { Writer } from '../sampling/writer.ts'
import type { JudgeHooks, JudgeSettings } from './ask-judge.ts'
import { type ComparedReplies, compareReplies, type RepliesToCompare } from './compare-replies.ts'
import { questionOf } from './questions.ts'
import { type ScoredReply, scoreReplies } from './score-replies.ts'

export interface JudgedRows {
  /** [row][candidate] */
  readonly replies: readonly (readonly ScoredReply[])[]
  /** The different replies that the judge scored, each once; empty where it compared. */
  readonly scored: readonly ScoredReply[]
  /** The different comparisons, each once; empty where it scored. */
  readonly compared: readonly ComparedReplies[]
}

export async function scoreRows(
  writer: Writer,
  rows: readonly ResponseRow[],
  settings: JudgeSettings,
  hooks: JudgeHooks,
): Promise<JudgedRows> {
  const asked = rows.map((row) => row.responses.map(({ text }) => ({ ...questionOf(row), reply: text })))
  const { different, places } = withoutRepeats(asked.flat())
  const scored = await scoreReplies(writer, different, settings, hooks)
  let next = 0
  const replies = asked.map((row) => row.map(() => scored[places[next++]!]!))
  return { replies, scored, compared: [] }
}

/** A candidate's votes are its comparisons' scores; its own score is their mean, a win rate from 0 to 1. */
export async function rankRows(
  writer: Writer,
  rows: readonly ResponseRow[],
  settings: JudgeSettings,
  pairing: Pairing,
  hooks: JudgeHooks,
): Promise<JudgedRows> {
  const pairs = rows.map((row) => {
    const question = questionOf(row)
    return pairsOf(row.responses.length, pairing).map(([first, second]): Pair => {
      const [a, b] = [row.responses[first]!.text, row.responses[second]!.text]
      // Two replies are one comparison, whichever of them comes first.
      const turned = a > b
      return { first, second, turned, asked: turned ? { ...question, a: b, b: a } : { ...question, a, b } }
    })
  })
  const { different, places } = withoutRepeats(pairs.flat().map(({ asked }) => asked))
  const compared = await compareReplies(writer, different, settings, hooks)
  let next = 0
  const replies = rows.map(({ responses }, row) => {
    const verdicts = pairs[row]!.map((pair) => ({ ...pair, verdict: compared[places[next++]!]! }))
    const preferences = verdicts.map(({ turned, verdict }) =>
      turned ? opposite(verdict.score) : verdict.score,
    )
    const scores = pairwiseScores(responses.length, pairing, preferences)
    return responses.map((_, candidate): ScoredReply => {
      const own = verdicts.flatMap(({ first, second, verdict }, index) => {
        if (first !== candidate && second !== candidate) return []
        const preference = preferences[index]!
        return [{ verdict, vote: first === candidate ? preference : opposite(preference) }]
      })
      return {
        judge_output: own.find(({ verdict }) => verdict.outputs.length > 0)?.verdict.outputs[0] ?? '',
        votes: own.map(({ vote }) => vote),
        score: scores[candidate]!,
      }
    })
  })
  return { replies, scored: [], compared }
}

/** Two candidates of a row, and the comparison that settles them; `turned` where its a is the second. */
interface Pair {
  readonly first: number
  readonly second: number
  readonly turned: boolean
  readonly asked: RepliesToCompare
}

function opposite(preference: number | null): number | null {
  return preference === null ? null : 1 - preference
}

/** The different items in order of appearance, and for each item its place among them. */
function withoutRepeats<Item>(items: readonly Item[]): { different: Item[]; places: number[] } {
  const known = new Map<string, number>()
  const different: Item[] = []
  const places = items.map((item) => {
    const key = JSON.stringify(item)
    const place = known.get(key) ?? different.push(item) - 1
    known.set(key, place)
    return place
  })
  return { different, places }
}
