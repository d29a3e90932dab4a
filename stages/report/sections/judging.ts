/** @file What the judge gave: scores, how sure it was, whether it rewards mere length, and the weights made of it. */
import { correlation } from '../../../lm/evaluation/correlation.ts'
import { mean } from '../../../lm/evaluation/mean.ts'
import { histogram } from '../charts/histogram.ts'
import { formatNumber, formatPercent } from '../format.ts'
import { html, type Markup, nothing } from '../html.ts'
import type { CandidateView, MetricsFile, PromptView } from '../report-data.ts'
import { metricsTables } from './counters.ts'

type Scored = CandidateView & { readonly score: number }

function isScored(candidate: CandidateView): candidate is Scored {
  return candidate.score !== null && Number.isFinite(candidate.score)
}

export interface JudgeDiagnostics {
  readonly prompts: number
  readonly candidates: number
  readonly unscored: number
  readonly votes: number
  readonly unparsedVotes: number
  /** Of the candidates with at least two votes that could be read, the share on which all of them agree. */
  readonly unanimous: number
  /** Mean difference of best and worst score over the prompts with at least two scores. */
  readonly meanGap: number
  /** Share of prompts with at least two scores, all equal. */
  readonly tied: number
  /** Characters of the replies with the best and the worst score of their prompt. */
  readonly bestLength: number
  readonly worstLength: number
  /** Correlation of score and length, both relative to their prompt's mean. */
  readonly lengthCorrelation: number
}

export function judgeDiagnostics(prompts: readonly PromptView[]): JudgeDiagnostics {
  const candidates = prompts.flatMap((prompt) => prompt.candidates)
  const votes = candidates.flatMap((candidate) => candidate.votes)
  const polled = candidates
    .map((candidate) => candidate.votes.filter((vote) => vote !== null))
    .filter((read) => read.length > 1)
  const groups = prompts
    .map((prompt) => prompt.candidates.filter(isScored))
    .filter((scored) => scored.length > 1)
  const bestLengths: number[] = []
  const worstLengths: number[] = []
  const gaps: number[] = []
  const relative: [number, number][] = []
  for (const group of groups) {
    const scores = group.map((candidate) => candidate.score)
    const best = Math.max(...scores)
    const worst = Math.min(...scores)
    gaps.push(best - worst)
    const meanScore = mean(scores)
    const meanLength = mean(group.map((candidate) => candidate.response.length))
    for (const candidate of group) {
      relative.push([candidate.score - meanScore, candidate.response.length - meanLength])
      if (best > worst && candidate.score === best) bestLengths.push(candidate.response.length)
      if (best > worst && candidate.score === worst) worstLengths.push(candidate.response.length)
    }
  }
  return {
    prompts: prompts.length,
    candidates: candidates.length,
    unscored: candidates.filter((candidate) => !isScored(candidate)).length,
    votes: votes.length,
    unparsedVotes: votes.filter((vote) => vote === null).length,
    unanimous: mean(polled.map((read) => (read.every((vote) => vote === read[0]) ? 1 : 0))),
    meanGap: mean(gaps),
    tied: mean(gaps.map((gap) => (gap < 1e-9 ? 1 : 0))),
    bestLength: mean(bestLengths),
    worstLength: mean(worstLengths),
    lengthCorrelation: correlation(relative),
  }
}

function fact(name: string, value: string, explanation?: string): Markup {
  return html`<div class="fact"><dt>${name}</dt><dd>${value}</dd>${explanation && html`<dd class="explanation">${explanation}</dd>`}</div>`
}

function orDash(value: number, format: (value: number) => string): string {
  return Number.isFinite(value) ? format(value) : '\u2013'
}

function facts(prompts: readonly PromptView[]): Markup {
  const found = judgeDiagnostics(prompts)
  return html`<dl class="facts">
${fact('prompts', formatNumber(found.prompts))}
${fact('candidates', formatNumber(found.candidates), `${formatNumber(found.unscored)} without a score`)}
${found.votes > 0 && fact('votes unread', formatNumber(found.unparsedVotes), `of ${formatNumber(found.votes)}`)}
${fact('votes agree', orDash(found.unanimous, formatPercent), 'candidates whose votes are all equal')}
${fact('mean gap', orDash(found.meanGap, formatNumber), 'best less worst score of a prompt')}
${fact('ties', orDash(found.tied, formatPercent), 'prompts whose scores are all equal')}
${fact('length of best', orDash(found.bestLength, formatNumber), `characters; worst ${orDash(found.worstLength, formatNumber)}`)}
${fact(
  'score and length',
  orDash(found.lengthCorrelation, (value) => value.toFixed(2)),
  'correlation within prompts',
)}
</dl>`
}

function scoreChart(prompts: readonly PromptView[]): Markup {
  const scores = prompts.flatMap((prompt) =>
    prompt.candidates.filter(isScored).map((candidate) => candidate.score),
  )
  const highest = Math.max(5, ...scores.map(Math.ceil))
  const lowest = Math.min(0, ...scores.map(Math.floor))
  const binWidth = (highest - lowest) / 20
  // Scores are means of votes, so that a score on the scale's own marks stands in the middle of its bin.
  return histogram({
    title: 'Scores of the candidates',
    xLabel: 'score',
    noun: 'candidate',
    values: scores,
    low: lowest - binWidth / 2,
    high: highest + binWidth / 2,
    binWidth,
  })
}

function gapChart(prompts: readonly PromptView[]): Markup {
  const gaps = prompts.flatMap((prompt) => {
    const scores = prompt.candidates.filter(isScored).map((candidate) => candidate.score)
    return scores.length < 2 ? [] : [Math.max(...scores) - Math.min(...scores)]
  })
  const highest = Math.max(5, ...gaps.map(Math.ceil))
  const binWidth = highest / 20
  return histogram({
    title: 'Best less worst score',
    xLabel: 'gap',
    noun: 'prompt',
    values: gaps,
    low: -binWidth / 2,
    high: highest + binWidth / 2,
    binWidth,
  })
}

function weightChart(weights: readonly (readonly number[])[]): Markup {
  return histogram({
    title: 'Softmax weights of the responses',
    xLabel: 'weight',
    noun: 'response',
    values: weights.flat(),
    low: 0,
    high: 1,
    binWidth: 0.05,
  })
}

/** The chart shows it better. */
function withoutHistogram(file: MetricsFile): MetricsFile {
  const values = Object.entries(file.values).filter(([name]) => !name.startsWith('histogram/'))
  return { ...file, values: Object.fromEntries(values) }
}

export function judgingSection(
  judged: readonly PromptView[] | undefined,
  weights: readonly (readonly number[])[] | undefined,
  judges: readonly MetricsFile[],
): Markup {
  if (judged === undefined && weights === undefined && judges.length === 0) return nothing
  return html`<section id="judging"><h2>The judge's verdicts</h2>
${judged && facts(judged)}
<div class="charts">${judged && [scoreChart(judged), gapChart(judged)]}${weights && weightChart(weights)}</div>
${judges.length > 0 && metricsTables(judges.map(withoutHistogram))}
</section>`
}
