/** @file Shares (0 to 1) over the rounds of a loop: a line with a 95% interval and a figure at each round. */
import { formatPercent } from '../format.ts'
import { html, type Markup } from '../html.ts'
import { linearScale, ticks } from './scale.ts'

export interface RoundPoint {
  /** "M2" */
  readonly label: string
  readonly share: number
  readonly interval?: { readonly low: number; readonly high: number }
}

const width = 760
const height = 300
const frame = { left: 60, right: 40, top: 26, bottom: 44 }

export function roundCurve(title: string, points: readonly RoundPoint[], yLabel: string): Markup {
  const x = linearScale([0, Math.max(1, points.length - 1)], [frame.left + 40, width - frame.right - 40])
  const y = linearScale([0, 1], [height - frame.bottom, frame.top])
  const spoken = points.map(({ label, share }) => `${label} ${formatPercent(share)}`).join(', ')
  const at = (index: number, share: number) => `${x(index).toFixed(1)} ${y(share).toFixed(1)}`
  const bounds = points.map(({ share, interval }) => interval ?? { low: share, high: share })
  const upper = bounds.map(({ high }, index) => at(index, high))
  const lower = bounds.map(({ low }, index) => at(index, low)).reverse()
  return html`<figure class="chart wide">
<figcaption>${title}</figcaption>
<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${title}: ${spoken}">
<g class="grid">${ticks(0, 1, 5).map(
    (tick) =>
      html`<line x1="${frame.left}" x2="${width - frame.right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}"/><text x="${frame.left - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${formatPercent(tick, 0)}</text>`,
  )}</g>
<g class="axis">${points.map(
    ({ label }, index) =>
      html`<text x="${x(index).toFixed(1)}" y="${height - frame.bottom + 18}" text-anchor="middle">${label}</text>`,
  )}<text class="axis-label" x="${width / 2}" y="${height - 4}" text-anchor="middle">${yLabel}</text></g>
<g class="series-1">
<path class="band" d="M${upper.join('L')}L${lower.join('L')}Z"/>
<path class="line" d="M${points.map(({ share }, index) => at(index, share)).join('L')}"/>
${points.map(
  ({ label, share }, index) =>
    html`<circle class="point" cx="${x(index).toFixed(1)}" cy="${y(share).toFixed(1)}" r="5"><title>${label}: ${formatPercent(share)}</title></circle><text class="point-value" x="${x(index).toFixed(1)}" y="${(y(share) + (share > 0.9 ? 24 : -14)).toFixed(1)}" text-anchor="middle">${formatPercent(share)}</text>`,
)}</g>
</svg></figure>`
}
