/** @file A line chart: one or more series over training steps, raw values faint, their average bold. */
import { formatNumber } from '../format.ts'
import { type Content, html, type Markup } from '../html.ts'
import { linearScale, paddedDomain, type Scale, ticks } from './scale.ts'
import { smooth, smoothingReach } from './smooth.ts'

export interface Point {
  readonly x: number
  readonly y: number
}

export interface Series {
  readonly name: string
  readonly points: readonly Point[]
}

export interface LineChartOptions {
  readonly title: string
  readonly xLabel: string
  readonly series: readonly Series[]
  /** Fixed bounds of the y axis: [0, 1] for shares. */
  readonly yDomain?: readonly [number, number]
  /** A moving average over the raw values. @default true */
  readonly smoothed?: boolean
}

export const width = 520
export const height = 250
const frame = { left: 52, right: 16, top: 14, bottom: 38 }
/** More points than this are thinned, so that a long run does not make a heavy page. */
const maxPoints = 600
const maxMarkers = 60

function thin<T>(items: readonly T[], limit: number): T[] {
  if (items.length <= limit) return [...items]
  const step = (items.length - 1) / (limit - 1)
  return Array.from({ length: limit }, (_, index) => items[Math.round(index * step)] as T)
}

function pathOf(points: readonly Point[], x: Scale, y: Scale): string {
  return points
    .map((point, index) => `${index === 0 ? 'M' : 'L'}${x(point.x).toFixed(1)} ${y(point.y).toFixed(1)}`)
    .join('')
}

function drawSeries(series: Series, index: number, x: Scale, y: Scale, smoothed: boolean): Content {
  const bold = smoothed
    ? smooth(
        series.points.map((point) => point.y),
        smoothingReach(series.points.length),
      ).map((value, row) => ({ x: series.points[row]!.x, y: value }))
    : series.points
  return html`<g class="series-${index + 1}">
${smoothed && html`<path class="raw" d="${pathOf(thin(series.points, maxPoints), x, y)}"/>`}
<path class="line" d="${pathOf(thin(bold, maxPoints), x, y)}"/>
${thin(series.points, maxMarkers).map(
  (point) =>
    html`<circle class="marker" cx="${x(point.x).toFixed(1)}" cy="${y(point.y).toFixed(1)}" r="4"><title>${series.name}, step ${point.x}: ${formatNumber(point.y)}</title></circle>`,
)}</g>`
}

/** The chart with its title and, for several series, their legend. */
export function lineChart(options: LineChartOptions): Markup {
  return html`<figure class="chart">
<figcaption>${options.title}</figcaption>
${
  options.series.length > 1 &&
  html`<p class="legend" aria-hidden="true">${options.series.map(
    (series, index) => html`<span class="key series-${index + 1}">${series.name}</span>`,
  )}</p>`
}
${lineDrawing(options)}</figure>`
}

/**
 * The drawing alone: one `<svg>` element.
 * @param place where it stands within another one
 */
export function lineDrawing(
  options: LineChartOptions,
  place?: { readonly x: number; readonly y: number },
): Markup {
  const points = options.series.flatMap((series) => series.points)
  const smoothed = options.smoothed ?? true
  const xs = points.map((point) => point.x)
  const xDomain: readonly [number, number] =
    xs.length === 0 ? [0, 1] : [xs.reduce((a, b) => Math.min(a, b)), xs.reduce((a, b) => Math.max(a, b))]
  const yDomain = options.yDomain ?? paddedDomain(points.map((point) => point.y))
  const x = linearScale(xDomain, [frame.left, width - frame.right])
  const y = linearScale(yDomain, [height - frame.bottom, frame.top])
  const ends = options.series.map((series) => {
    const first = series.points[0]
    const last = series.points.at(-1)
    return first && last
      ? `${series.name} from ${formatNumber(first.y)} to ${formatNumber(last.y)}`
      : series.name
  })
  const placed = place && html`x="${place.x}" y="${place.y}" width="${width}" height="${height}" `
  return html`<svg ${placed}viewBox="0 0 ${width} ${height}" role="img" aria-label="${options.title}: ${ends.join('; ')} over ${options.xLabel} ${xDomain[0]} to ${xDomain[1]}">
<g class="grid">${ticks(yDomain[0], yDomain[1], 5).map(
    (tick) =>
      html`<line x1="${frame.left}" x2="${width - frame.right}" y1="${y(tick).toFixed(1)}" y2="${y(tick).toFixed(1)}"/><text x="${frame.left - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${formatNumber(tick)}</text>`,
  )}</g>
<g class="axis">${ticks(xDomain[0], xDomain[1], 6)
    .filter(Number.isInteger)
    .map(
      (tick) =>
        html`<text x="${x(tick).toFixed(1)}" y="${height - frame.bottom + 18}" text-anchor="middle">${formatNumber(tick)}</text>`,
    )}<line x1="${frame.left}" x2="${width - frame.right}" y1="${height - frame.bottom}" y2="${height - frame.bottom}"/><text class="axis-label" x="${(frame.left + width - frame.right) / 2}" y="${height - 4}" text-anchor="middle">${options.xLabel}</text></g>
${options.series.map((series, index) => drawSeries(series, index, x, y, smoothed))}
</svg>`
}
