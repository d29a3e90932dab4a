/** @file What stages counted. */
import { formatNumber, readableName } from '../format.ts'
import { html, type Markup, nothing } from '../html.ts'
import type { MetricsFile } from '../report-data.ts'

export function countersSection(counters: readonly MetricsFile[]): Markup {
  if (counters.length === 0) return nothing
  return html`<section id="counters"><h2>Counters</h2>${metricsTables(counters)}</section>`
}

export function metricsTables(files: readonly MetricsFile[]): Markup {
  return html`<div class="counters">${files.map(
    (file) =>
      html`<table><caption>${file.label}</caption><tbody>${Object.entries(file.values).map(
        ([name, value]) =>
          html`<tr><th scope="row">${readableName(name)}</th><td>${formatNumber(value)}</td></tr>`,
      )}</tbody></table>`,
  )}</div>`
}
