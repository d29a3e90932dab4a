/** @file Prompts with their candidates, best first, so that a reader can check the judge by eye. */
import { formatNumber, plural } from '../format.ts'
import { html, type Markup, nothing } from '../html.ts'
import type { CandidateView, PromptView } from '../report-data.ts'

function score(candidate: CandidateView): Markup {
  return candidate.score === null
    ? html`<span class="score none">no score</span>`
    : html`<span class="score" style="--share:${Math.min(1, Math.max(0, candidate.score / 5)).toFixed(2)}">${formatNumber(Number(candidate.score.toFixed(2)))}</span>`
}

function votes(candidate: CandidateView): string | undefined {
  if (candidate.votes.length < 2) return undefined
  return `votes ${candidate.votes.map((vote) => (vote === null ? 'unread' : formatNumber(vote))).join(', ')}`
}

function candidateItem(candidate: CandidateView): Markup {
  return html`<li>${score(candidate)}<div><p class="reply">${candidate.response === '' ? html`<em>empty reply</em>` : candidate.response}</p>
${
  (candidate.judgeOutput !== '' || candidate.votes.length > 1) &&
  html`<details><summary>verdict</summary><p class="verdict">${candidate.judgeOutput}</p>${votes(candidate) && html`<p class="hint">${votes(candidate)}</p>`}</details>`
}</div></li>`
}

function byScore(a: CandidateView, b: CandidateView): number {
  return (b.score ?? Number.NEGATIVE_INFINITY) - (a.score ?? Number.NEGATIVE_INFINITY) || 0
}

export function samplesSection(prompts: readonly PromptView[], limit: number): Markup {
  const shown = prompts.slice(0, limit)
  if (shown.length === 0) return nothing
  return html`<section id="samples"><h2>Samples</h2>
<p class="hint">${plural(shown.length, 'prompt')} with ${shown.length === 1 ? 'its' : 'their'} candidates, best first.</p>
<div class="samples">${shown.map(
    (prompt) =>
      html`<article class="sample"><h3 class="prompt">${prompt.instruction}</h3><ol>${[...prompt.candidates].sort(byScore).map(candidateItem)}</ol></article>`,
  )}</div></section>`
}
