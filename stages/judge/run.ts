import { writeFileSync } from 'node:fs'
import type { ContextOf } from 'flow/stage'
import { createRandom } from '../../lm/random.ts'
import { jsonLines } from '../../lm/text/json-lines.ts'
import { type JudgedCandidate, type JudgedRow, readResponses } from '../../lm/text/rows.ts'
import { writeMetrics } from '../metrics/write-metrics.ts'
import { chooseWriter } from '../sampling/choose-writer.ts'
import { judgeSettings } from './ask-judge.ts'
import { chooseRubric } from './choose-rubric.ts'
import { judgeDiagnostics } from './diagnostics.ts'
import type stage from './index.ts'
import { rankRows, scoreRows } from './judge-rows.ts'
import { judgeLabels, readLabels } from './labelled.ts'
import { checkReferences } from './questions.ts'
import { reservoirSample } from './reservoir.ts'

export async function judge({ inputs, outputs, params, ...context }: ContextOf<typeof stage>): Promise<void> {
  const rubric = chooseRubric(inputs.rubric, params)
  const settings = judgeSettings(rubric, params)
  const rows = readResponses(inputs.responses)
  checkReferences(rubric, rows, inputs.responses)
  const labels = inputs.labels === undefined ? undefined : readLabels(inputs.labels, settings)
  const writer = await chooseWriter(inputs, params, context)
  const verdicts =
    rubric.mode === 'pairwise'
      ? await rankRows(writer, rows, settings, params.pairing, context)
      : await scoreRows(writer, rows, settings, context)

  const judged = rows.map((row, index): JudgedRow => {
    const candidates = row.responses.map(
      ({ text, source, token_ids, logps, finished }, each): JudgedCandidate => ({
        response: text,
        ...(source !== undefined && { source }),
        ...verdicts.replies[index]![each]!,
        ...(token_ids !== undefined && { token_ids }),
        ...(logps !== undefined && { logps }),
        ...(finished !== undefined && { finished }),
      }),
    )
    const { prompt, responses: _, ...fields } = row
    return { ...fields, instruction: prompt, candidates, ...extremes(candidates) }
  })
  writeFileSync(outputs.judged, jsonLines(judged.filter(hasValidPair)))
  const marked = judged.map((row) => ({ ...row, has_valid_pair: hasValidPair(row) }))
  writeFileSync(outputs.full, jsonLines(marked))
  writeFileSync(outputs.samples, jsonLines(sampleCandidates(judged, params.samples, params.seed)))

  const values = {
    ...judgeDiagnostics(judged, verdicts, rubric, params.own_source),
    ...(labels !== undefined && (await judgeLabels(writer, labels, settings, context))),
  }
  writeMetrics(outputs.diagnostics, 'judge', values)

  const { scored, compared } = verdicts
  const valid = judged.filter(hasValidPair).length
  const unread = Math.round((values.unread_share ?? 0) * values.verdicts)
  const what = rubric.mode === 'pairwise' ? `${compared.length} pairs` : `${scored.length} different replies`
  context.log(`${values.verdicts} verdicts on ${what}, ${unread} without a score`)
  if (unread * 2 > values.verdicts) context.warn(`${unread} of ${values.verdicts} verdicts carry no score`)
  if (valid < judged.length) {
    context.log(`${judged.length - valid} prompts have fewer than two scored candidates`)
  }
  const accuracy = values['labels/accuracy']
  if (accuracy !== undefined) {
    context.log(`right on ${(100 * accuracy).toFixed(1)}% of ${values['labels/pairs']} labelled pairs`)
  }
}

function hasValidPair({ candidates }: JudgedRow): boolean {
  return candidates.filter(({ score }) => score !== null).length >= 2
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
