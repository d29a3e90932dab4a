/** @file Line charts as an SVG image that stands by itself: in a README, beside a report. */
import { html } from '../html.ts'
import { height, type LineChartOptions, lineDrawing, width } from './line-chart.ts'

const heading = 52
const margin = 16
const keyWidth = 150

const style = `
svg{--tone:#98a1ad;--first:#2458d6;--second:#c2571a;--third:#0f8067;font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Noto Sans",sans-serif}
.page{fill:#fff}
text{fill:#5c6570;font-size:12px}
.title{fill:#1b1f24;font-size:15px;font-weight:600}
.grid line{stroke:#e4e6e9}
.axis line{stroke:#98a1ad}
.series-1{--tone:var(--first)}.series-2{--tone:var(--second)}.series-3{--tone:var(--third)}
.line,.raw{fill:none;stroke:var(--tone);stroke-linejoin:round;stroke-linecap:round}
.line{stroke-width:2.2}
.raw{stroke-width:1;opacity:.32}
.marker{fill:var(--tone);opacity:0}
.series-2 .line{stroke-dasharray:7 4}`

/** Charts side by side, each with its title and the names of its series. */
export function chartImage(charts: readonly LineChartOptions[]): string {
  const size = { width: charts.length * (width + margin) + margin, height: height + heading + margin }
  const panels = charts.map((chart, panel) => {
    const left = margin + panel * (width + margin)
    const keys = chart.series.map(({ name }, index) => {
      const x = left + index * keyWidth
      return html`<g class="series-${index + 1}"><path class="line" d="M${x} 41H${x + 24}"/><text x="${x + 30}" y="45">${name}</text></g>`
    })
    return html`<text class="title" x="${left}" y="24">${chart.title}</text>${keys}
${lineDrawing(chart, { x: left, y: heading })}`
  })
  const markup = html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${size.width} ${size.height}" width="${size.width}" height="${size.height}">
<title>${charts.map(({ title }) => title).join('; ')}</title>
<style>STYLE</style>
<rect class="page" width="${size.width}" height="${size.height}"/>
${panels}
</svg>
`
  return markup.text.replace('STYLE', style)
}
