/** @file Draws columns of several training logs into one image, a panel a column, and says how far they are apart. */
import { readFile, writeFile } from 'node:fs/promises'
import { defineStage, StageFailure, Type } from 'flow/stage'
import { chartImage } from '../../../../stages/report/charts/chart-image.ts'

type LogRow = Readonly<Record<string, unknown>>

export default defineStage({
  name: 'compare-logs',
  description: 'Draws columns of several logs over the steps',
  inputs: {
    logs: { type: 'jsonl', many: true, description: 'Rows with `step`, by the name of who trained' },
  },
  outputs: {
    plot: { type: 'text', description: 'An SVG image' },
    differences: {
      type: 'json',
      description: 'By column: values compared, and the largest difference from the first log',
    },
  },
  params: Type.Object({
    columns: Type.Record(Type.String(), Type.String(), { description: 'Column -> title of its panel' }),
  }),
  light: true,
  async run({ inputs, outputs, params, log }) {
    const logs = await Promise.all(
      Object.entries(inputs.logs).map(async ([name, file]) => ({ name, rows: await readRows(file) })),
    )
    const charts = Object.entries(params.columns).map(([column, title]) => ({
      title,
      xLabel: 'update',
      smoothed: false,
      series: logs.map(({ name, rows }) => ({ name, points: pointsOf(rows, column, name) })),
    }))
    await writeFile(outputs.plot, chartImage(charts))
    const differences = Object.fromEntries(
      Object.keys(params.columns).map((column, panel) => {
        const [first, ...others] = charts[panel]!.series
        const expected = new Map(first!.points.map(({ x, y }) => [x, y]))
        const gaps = others.flatMap(({ points }) =>
          points.flatMap(({ x, y }) => (expected.has(x) ? [Math.abs(y - expected.get(x)!)] : [])),
        )
        const largest = Math.max(0, ...gaps)
        log(`${column}: largest difference ${largest.toPrecision(3)} over ${gaps.length} points`)
        return [column, { points: gaps.length, largest }]
      }),
    )
    await writeFile(outputs.differences, `${JSON.stringify(differences, null, 2)}\n`)
  },
})

async function readRows(file: string): Promise<LogRow[]> {
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as LogRow)
}

function pointsOf(rows: readonly LogRow[], column: string, name: string) {
  const points = rows.flatMap(({ step, [column]: value }) =>
    typeof step === 'number' && typeof value === 'number' ? [{ x: step, y: value }] : [],
  )
  if (points.length > 0) return points
  throw new StageFailure({
    code: 'no-column',
    message: `the log of ${name} has no numbers in \`${column}\``,
    hint: `its columns are ${Object.keys(rows[0] ?? {}).join(', ')}`,
  })
}
