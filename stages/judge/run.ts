import { writeFileSync } from 'node:fs'
import type { ContextOf } from 'flow/stage'
import { createRandom } from '../../lm/random.ts'
import { type Prompt, promptMessages } from '../../lm/text/messages.ts'
import { type JudgedCandidate, type JudgedRow, type ResponseRow, readResponses } from '../../lm/text/rows.ts'
import { openWriter, reportProgress } from '../sampling/writer.ts'
import type stage from './index.ts'
import { reservoirSample } from './reservoir.ts'
import { judgePrompt, meanVote, rubricText, scoreReader } from './rubric.ts'

export async function judge({ inputs, outputs, params, ...context }: ContextOf<typeof stage>): Promise<void> {
  const readScore = scoreReader(params.score_pattern, params.minimum, params.maximum)
  const rubric = rubricText(params.rubric)
  const rows = readResponses(inputs.responses)
  const writer = await openWriter(inputs, context)

  // Equal replies to one question get one set of votes.
  const positions = new Map<string, number>()
  const asked: Prompt[] = []
  const positionOf = (row: ResponseRow, reply: string): number => {
    const prompt = judgePrompt(rubric, questionText(row.prompt), reply)
    const known = positions.get(prompt)
    if (known !== undefined) return known
    positions.set(prompt, positions.size)
    for (let vote = 0; vote < params.votes; vote++) asked.push(prompt)
    return positions.size - 1
  }
  const candidatePositions = rows.map((row) => row.responses.map(({ text }) => positionOf(row, text)))
  const hooks = { signal: context.signal, progress: reportProgress(asked.length, context.progress) }
  const answers = await writer.write(asked, params, hooks, params.opening)

  const verdicts = Array.from({ length: positions.size }, (_, position) => {
    const outputs = answers
      .slice(position * params.votes, (position + 1) * params.votes)
      .map(({ text }) => text)
    const votes = outputs.map(readScore)
    return { judge_output: outputs[0]!, votes, score: meanVote(votes) }
  })
  const judged = rows.map((row, index): JudgedRow => {
    const candidates = row.responses.map(
      ({ text, token_ids, logps, finished }, each): JudgedCandidate => ({
        response: text,
        ...verdicts[candidatePositions[index]![each]!]!,
        token_ids,
        logps,
        finished,
      }),
    )
    return { instruction: row.prompt, candidates, ...extremes(candidates) }
  })
  const hasValidPair = (row: JudgedRow) => row.candidates.filter(({ score }) => score !== null).length >= 2
  writeLines(outputs.judged, judged.filter(hasValidPair))
  writeLines(
    outputs.full,
    judged.map((row) => ({ ...row, has_valid_pair: hasValidPair(row) })),
  )
  writeLines(outputs.samples, sampleCandidates(judged, params.samples, params.seed))

  const unread = verdicts.flatMap(({ votes }) => votes).filter((vote) => vote === null).length
  const scored = judged.filter(hasValidPair).length
  context.log(`${answers.length} verdicts on ${positions.size} different replies, ${unread} without a score`)
  if (unread * 2 > answers.length) context.warn(`${unread} of ${answers.length} verdicts carry no score`)
  if (scored < judged.length)
    context.log(`${judged.length - scored} prompts have fewer than two scored candidates`)
}

/** What the judge is shown as the question: the user's turns. */
function questionText(prompt: Prompt): string {
  return promptMessages(prompt)
    .filter(({ role }) => role === 'user')
    .map(({ content }) => content)
    .join('\n')
}

/** The first of the best and the first of the worst scored candidates; nulls where fewer than two are scored. */
function extremes(candidates: readonly JudgedCandidate[]) {
  const scored = candidates.filter((candidate) => candidate.score !== null)
  if (scored.length < 2) return { chosen: null, chosen_score: null, rejected: null, rejected_score: null }
  const best = scored.reduce((a, b) => (b.score! > a.score! ? b : a))
  const worst = scored.reduce((a, b) => (b.score! < a.score! ? b : a))
  return {
    chosen: best.response,
    chosen_score: best.score,
    rejected: worst.response,
    rejected_score: worst.score,
  }
}

function sampleCandidates(rows: readonly JudgedRow[], size: number, seed: number) {
  const all = rows.flatMap(({ instruction, candidates }) =>
    candidates.map(({ response, score, votes, judge_output }) => ({
      instruction,
      response,
      score,
      votes,
      judge_output,
    })),
  )
  return reservoirSample(all, size, createRandom(`samples ${seed}`))
}

function writeLines(path: string, rows: readonly object[]): void {
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
}
