/** @file Quality before and after: the headline, the bars with intervals, the tables. */
import { wilsonInterval } from '../../../lm/evaluation/wilson.ts'
import { type IntervalBar, intervalBars } from '../charts/interval-bars.ts'
import { type RoundPoint, roundCurve } from '../charts/round-curve.ts'
import { formatAlike, formatPercent, formatPoints, plural, readableName } from '../format.ts'
import { html, type Markup, nothing } from '../html.ts'
import type { MetricsFile } from '../report-data.ts'

function exactMatchOf(file: MetricsFile): number {
  return file.values.exact_match ?? 0
}

function barOf(file: MetricsFile, before: string | undefined): IntervalBar {
  const share = exactMatchOf(file)
  const questions = file.values.questions
  return {
    label: file.label,
    share,
    baseline: file.label === before,
    ...(questions ? { interval: wilsonInterval(share, questions), note: plural(questions, 'question') } : {}),
  }
}

/** Shares are shown as percentages; lengths, BLEU and counts as numbers. */
function isShare(name: string): boolean {
  return /^(exact_match|answered|empty|rouge_[12l]|distinct_\d+)(\/|$)|^share\//.test(name)
}

const absent = '\u2013'

/** The values of one metric, formatted alike. */
function cells(name: string, measured: readonly MetricsFile[]): string[] {
  const values = measured.map((file) => file.values[name])
  const format = isShare(name) ? formatPercent : formatAlike(values.filter((value) => value !== undefined))
  return values.map((value) => (value === undefined ? absent : format(value)))
}

function headline(measured: readonly MetricsFile[], before: string | undefined): Markup {
  const start = measured.find((file) => file.label === before)
  const others = measured.filter((file) => file !== start)
  const best = others.reduce<MetricsFile | undefined>(
    (top, file) => (top === undefined || exactMatchOf(file) > exactMatchOf(top) ? file : top),
    undefined,
  )
  if (start === undefined) return nothing
  if (best === undefined) {
    return html`<p class="headline"><span class="figure">${formatPercent(exactMatchOf(start))}</span> <span class="caption">of the questions answered right (${start.label})</span></p>`
  }
  const difference = exactMatchOf(best) - exactMatchOf(start)
  return html`<p class="headline"><span class="figure quiet">${formatPercent(exactMatchOf(start))}</span> <span class="arrow" aria-label="to">\u2192</span> <span class="figure">${formatPercent(exactMatchOf(best))}</span> <span class="caption">of the questions answered right: ${start.label} against ${best.label}, ${formatPoints(difference)}</span></p>`
}

function metricTable(measured: readonly MetricsFile[], before: string | undefined): Markup {
  const names = [...new Set(measured.flatMap((file) => Object.keys(file.values)))].filter(
    (name) => !/^(exact_match|questions)\//.test(name),
  )
  const start = measured.find((file) => file.label === before)
  const difference = (file: MetricsFile) =>
    file === start || start === undefined ? absent : formatPoints(exactMatchOf(file) - exactMatchOf(start))
  return html`<div class="scroll"><table>
<caption>Every metric, before and after</caption>
<thead><tr><th scope="col">metric</th>${measured.map((file) => html`<th scope="col">${file.label}</th>`)}</tr></thead>
<tbody>
<tr class="strong"><th scope="row">exact match against ${before}</th>${measured.map((file) => html`<td>${difference(file)}</td>`)}</tr>
${names.map(
  (name) =>
    html`<tr><th scope="row">${readableName(name)}</th>${cells(name, measured).map((text) => html`<td>${text}</td>`)}</tr>`,
)}</tbody></table></div>`
}

function taskTable(measured: readonly MetricsFile[]): Markup {
  const tasks = [...new Set(measured.flatMap((file) => Object.keys(file.values)))]
    .filter((name) => name.startsWith('exact_match/'))
    .map((name) => name.slice('exact_match/'.length))
  if (tasks.length === 0) return nothing
  return html`<div class="scroll"><table class="heat">
<caption>Exact match by task</caption>
<thead><tr><th scope="col">task</th><th scope="col">questions</th>${measured.map((file) => html`<th scope="col">${file.label}</th>`)}</tr></thead>
<tbody>${tasks.map(
    (task) =>
      html`<tr><th scope="row">${task}</th><td class="count">${cells(`questions/${task}`, measured)[0]}</td>${measured.map(
        (file) => {
          const value = file.values[`exact_match/${task}`]
          return html`<td style="--share:${(value ?? 0).toFixed(3)}">${value === undefined ? absent : formatPercent(value)}</td>`
        },
      )}</tr>`,
  )}</tbody></table></div>`
}

/** Labels that differ in a number alone, `M1`, `M2`, ..., are rounds of one loop; in their order. */
function roundsOf(measured: readonly MetricsFile[]): readonly MetricsFile[] {
  const numbered = measured.flatMap((file) => {
    const [, prefix, number] = /^(.*?)(\d+)$/.exec(file.label) ?? []
    return prefix === undefined ? [] : [{ file, prefix, number: Number(number) }]
  })
  const rounds = numbered.filter(({ prefix }) => prefix === numbered[0]?.prefix)
  if (rounds.length < 2) return []
  return rounds.sort((a, b) => a.number - b.number).map(({ file }) => file)
}

function pointOf(file: MetricsFile): RoundPoint {
  const { label, share, interval } = barOf(file, undefined)
  return { label, share, ...(interval !== undefined && { interval }) }
}

export function qualitySection(measured: readonly MetricsFile[], before: string | undefined): Markup {
  if (measured.length === 0) return nothing
  const rounds = roundsOf(measured)
  const yLabel = 'rounds; the band is the 95% Wilson interval'
  return html`<section id="quality"><h2>Before and after</h2>
${headline(measured, before)}
${rounds.length > 0 && roundCurve('Exact match over rounds', rounds.map(pointOf), yLabel)}
${intervalBars(
  'Exact match',
  measured.map((file) => barOf(file, before)),
  'questions answered right; whiskers: 95% Wilson interval',
)}
${taskTable(measured)}
${metricTable(measured, before)}
</section>`
}
