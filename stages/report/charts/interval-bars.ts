/** @file Horizontal bars of shares (0 to 1), each with its confidence interval and what it was measured on. */
import { formatPercent } from '../format.ts'
import { html, type Markup } from '../html.ts'
import { linearScale, ticks } from './scale.ts'

export interface IntervalBar {
  readonly label: string
  readonly share: number
  readonly interval?: { readonly low: number; readonly high: number }
  /** Shown under the label: "600 questions". */
  readonly note?: string
  /** The one that the others are compared with is drawn quietly, with a line through the chart. */
  readonly baseline?: boolean
}

const width = 760
const rowHeight = 46
const frame = { left: 170, right: 90, top: 8, bottom: 40 }

/** Drawn on a halo, so that it stands out from the bar as well as from the page. */
function whisker(low: number, high: number, middle: number): Markup {
  const caps = `M${low.toFixed(1)} ${middle - 5}v10M${high.toFixed(1)} ${middle - 5}v10`
  const path = `M${low.toFixed(1)} ${middle}H${high.toFixed(1)}${caps}`
  return html`<path class="halo" d="${path}"/><path class="whisker" d="${path}"/>`
}

export function intervalBars(title: string, bars: readonly IntervalBar[], xLabel: string): Markup {
  const height = frame.top + bars.length * rowHeight + frame.bottom
  const x = linearScale([0, 1], [frame.left, width - frame.right])
  const baseline = bars.find((bar) => bar.baseline)
  const spoken = bars.map((bar) => `${bar.label} ${formatPercent(bar.share)}`).join(', ')
  const bottom = height - frame.bottom
  return html`<figure class="chart wide">
<figcaption>${title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}: ${spoken}">
<g class="grid">${ticks(0, 1, 5).map(
    (tick) =>
      html`<line x1="${x(tick).toFixed(1)}" x2="${x(tick).toFixed(1)}" y1="${frame.top}" y2="${bottom}"/><text x="${x(tick).toFixed(1)}" y="${bottom + 16}" text-anchor="middle">${formatPercent(tick, 0)}</text>`,
  )}<text class="axis-label" x="${(frame.left + width - frame.right) / 2}" y="${height - 4}" text-anchor="middle">${xLabel}</text></g>
${bars.map((bar, index) => {
  const top = frame.top + index * rowHeight
  const middle = top + rowHeight / 2
  const end = bar.interval ? Math.max(x(bar.share), x(bar.interval.high)) : x(bar.share)
  return html`<g class="bar${bar.baseline ? ' baseline' : ''}">
<text class="bar-label" x="${frame.left - 12}" y="${bar.note ? middle - 2 : middle + 5}" text-anchor="end">${bar.label}</text>
${bar.note && html`<text class="bar-note" x="${frame.left - 12}" y="${middle + 13}" text-anchor="end">${bar.note}</text>`}
<rect x="${frame.left}" y="${top + 10}" width="${Math.max(1, x(bar.share) - frame.left).toFixed(1)}" height="${rowHeight - 20}" rx="3"><title>${bar.label}: ${formatPercent(bar.share)}${bar.interval ? ` (95% interval ${formatPercent(bar.interval.low)} to ${formatPercent(bar.interval.high)})` : ''}</title></rect>
${bar.interval && whisker(x(bar.interval.low), x(bar.interval.high), middle)}
<text class="bar-value" x="${(end + 10).toFixed(1)}" y="${middle + 5}">${formatPercent(bar.share)}</text></g>`
})}
${
  baseline &&
  html`<line class="baseline-rule" x1="${x(baseline.share).toFixed(1)}" x2="${x(baseline.share).toFixed(1)}" y1="${frame.top}" y2="${bottom}"/>`
}
</svg></figure>`
}
