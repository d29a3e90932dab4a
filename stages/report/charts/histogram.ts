/** @file How often each range of values occurs. */
import { formatNumber, formatPercent, plural } from '../format.ts'
import { html, type Markup } from '../html.ts'
import { linearScale, ticks } from './scale.ts'

export interface HistogramOptions {
  readonly title: string
  readonly xLabel: string
  /** What one value is: "candidate". */
  readonly noun: string
  readonly values: readonly number[]
  /** Bins are [low + k width, low + (k + 1) width); the last one holds `high` too. */
  readonly low: number
  readonly high: number
  readonly binWidth: number
}

const width = 520
const height = 250
const frame = { left: 46, right: 12, top: 22, bottom: 38 }

export function countBins(options: Pick<HistogramOptions, 'values' | 'low' | 'high' | 'binWidth'>): number[] {
  const bins = new Array<number>(
    Math.max(1, Math.round((options.high - options.low) / options.binWidth)),
  ).fill(0)
  for (const value of options.values) {
    // The small term keeps 0.3 / 0.1 = 2.9999999999999996 in its own bin.
    const bin = Math.floor((value - options.low) / options.binWidth + 1e-9)
    bins[Math.min(bins.length - 1, Math.max(0, bin))]! += 1
  }
  return bins
}

export function histogram(options: HistogramOptions): Markup {
  const bins = countBins(options)
  const highest = Math.max(1, ...bins)
  const x = linearScale([options.low, options.high], [frame.left, width - frame.right])
  const y = linearScale([0, highest], [height - frame.bottom, frame.top])
  const total = options.values.length
  const bottom = height - frame.bottom
  return html`<figure class="chart">
<figcaption>${options.title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${options.title}: ${bins
    .map((count, bin) => `${formatNumber(options.low + bin * options.binWidth)}: ${count}`)
    .join(', ')}">
<g class="grid">${ticks(0, highest, 4)
    .filter(Number.isInteger)
    .map(
      (tick) =>
        html`<line x1="${frame.left}" x2="${width - frame.right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}"/><text x="${frame.left - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${formatNumber(tick)}</text>`,
    )}</g>
<g class="bar">${bins.map((count, bin) => {
    const low = options.low + bin * options.binWidth
    const left = x(low) + 1
    const barWidth = Math.max(1, x(low + options.binWidth) - x(low) - 2)
    return html`<rect x="${left.toFixed(1)}" y="${y(count).toFixed(1)}" width="${barWidth.toFixed(1)}" height="${(bottom - y(count)).toFixed(1)}"><title>${formatNumber(low)} to ${formatNumber(low + options.binWidth)}: ${plural(count, options.noun)} (${formatPercent(total === 0 ? 0 : count / total)})</title></rect>`
  })}</g>
<g class="axis">${ticks(options.low, options.high, 6).map(
    (tick) =>
      html`<text x="${x(tick).toFixed(1)}" y="${bottom + 18}" text-anchor="middle">${formatNumber(tick)}</text>`,
  )}<line x1="${frame.left}" x2="${width - frame.right}" y1="${bottom}" y2="${bottom}"/><text class="axis-label" x="${(frame.left + width - frame.right) / 2}" y="${height - 4}" text-anchor="middle">${options.xLabel}</text></g>
</svg></figure>`
}
