/**
 * @file The whole page. It depends on its data alone (no clock, no machine), so that equal inputs give equal bytes,
 * and loads nothing: its own policy forbids it.
 */
import { formatPercent } from './format.ts'
import { html, type Markup, nothing } from './html.ts'
import type { ReportData } from './report-data.ts'
import { countersSection } from './sections/counters.ts'
import { judgingSection } from './sections/judging.ts'
import { qualitySection } from './sections/quality.ts'
import { samplesSection } from './sections/samples.ts'
import { trainingSection } from './sections/training.ts'
import { style } from './style.ts'

export interface PageOptions {
  /** How many sample prompts to show. */
  readonly sampleLimit: number
}

export function renderPage(data: ReportData, options: PageOptions): string {
  const sections: readonly (readonly [id: string, name: string, content: Markup])[] = [
    ['quality', 'Before and after', qualitySection(data.measured, data.before)],
    ['training', 'Training', trainingSection(data.logs)],
    ['judging', 'Verdicts', judgingSection(data.judged, data.weights, data.judges)],
    ['samples', 'Samples', samplesSection(data.samples, options.sampleLimit)],
    ['counters', 'Counters', countersSection(data.counters)],
  ]
  const shown = sections.filter(([, , content]) => content !== nothing)
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${data.title}</title>
${data.measured.length > 0 && html`<meta name="description" content="${inOneLine(data)}">`}
<style>${style}</style>
</head>
<body>
<header><h1>${data.title}</h1>
${data.notes !== '' && html`<p class="notes">${data.notes}</p>`}
<nav aria-label="Sections">${shown.map(([id, name]) => html`<a href="#${id}">${name}</a>`)}</nav></header>
<main>${shown.map(([, , content]) => content)}</main>
<footer>Written by <code>flow</code>. This page is one file and loads nothing.</footer>
</body>
</html>
`
  return page.text
}

/** What the page says, for whoever lists pages: "exact match: sft 40.5%, dpo 76.0%". */
function inOneLine({ measured }: ReportData): string {
  const results = measured.map(({ label, values }) => `${label} ${formatPercent(values.exact_match ?? 0)}`)
  return `exact match: ${results.join(', ')}`
}
