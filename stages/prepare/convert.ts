/**
 * @file The work of the three `prepare` stages: a dataset in any known format becomes rows of one artifact type.
 * A row that cannot be read is named by file and line, and ends the stage unless such rows are declared tolerable.
 */
import { writeFile } from 'node:fs/promises'
import { type StageContext, StageFailure, Type } from 'flow/stage'
import { createRandom } from '../../lm/random.ts'
import {
  convertRows,
  type DatasetFormat,
  detectFormat,
  FORMATS,
  formatNamed,
  type Target,
} from '../../lm/text/formats/index.ts'
import { jsonLines } from '../../lm/text/json-lines.ts'
import { type Row, type RowFault, readRows } from '../../lm/text/read-rows.ts'

/** Parameters that the three stages share. */
export const prepareParams = Type.Object({
  format: Type.Union(
    ['auto', ...FORMATS.map((format) => format.name)].map((name) => Type.Literal(name)),
    { default: 'auto', description: 'Format of the file; `auto` tells it from the fields of the first rows' },
  ),
  skip: Type.Integer({ default: 0, minimum: 0, description: 'Leave out so many rows at the beginning' }),
  limit: Type.Integer({ default: 0, minimum: 0, description: 'Take at most this many rows; 0 takes all' }),
  shuffle: Type.Boolean({
    default: false,
    description: 'Put the rows into random order before some are taken',
  }),
  seed: Type.Integer({ default: 0, description: 'Of the shuffling' }),
  tolerance: Type.Number({
    default: 0,
    minimum: 0,
    maximum: 1,
    description: 'Share of rows that may be unreadable: they are dropped, named and counted',
  }),
  preference: Type.Union([Type.Literal('better'), Type.Literal('safer')], {
    default: 'better',
    description: 'Which of the two judgements of PKU-SafeRLHF counts: the more helpful or the safer reply',
  }),
})

export const datasetInput = {
  type: ['dataset', 'jsonl', 'json'],
  description: 'Rows in any known format: a JSON array or one JSON object a line',
} as const

interface Settings {
  readonly format: string
  readonly skip: number
  readonly limit: number
  readonly shuffle: boolean
  readonly seed: number
  readonly tolerance: number
  readonly preference: 'better' | 'safer'
}

export interface Conversion {
  /** Absolute path of the raw file. */
  readonly file: string
  /** Absolute path of the file to write. */
  readonly output: string
  readonly target: Target
  readonly settings: Settings
  readonly report: Pick<StageContext<unknown, unknown, unknown>, 'log' | 'warn'>
}

/** So many broken rows are named one by one. */
const namedFaults = 5

export async function convertDataset({ file, output, target, settings, report }: Conversion): Promise<void> {
  const raw = readRows(file)
  const format = formatOf(raw.rows, file, settings.format)
  const order = settings.shuffle ? createRandom(`prepare/${settings.seed}`).shuffle(raw.rows) : raw.rows
  const taken = order.slice(settings.skip, settings.limit === 0 ? undefined : settings.skip + settings.limit)
  const converted = convertRows(format, taken, target, { preference: settings.preference })

  // A line that is no JSON at all counts even where the limit would not have reached it: its place in the order
  // is unknown, and a damaged file should not pass unseen.
  const faults = [...raw.faults, ...converted.faults].sort((a, b) => a.line - b.line)
  checkTolerance(faults, taken.length + raw.faults.length, file, settings.tolerance, report)
  if (converted.rows.length === 0) {
    throw new StageFailure({
      code: 'no-rows',
      message: `no row of ${taken.length} became ${target}`,
      hint: explainCounts(converted.skipped) || 'the file is empty',
      file,
    })
  }
  report.log(
    [
      `${taken.length} ${format.name} rows gave ${converted.rows.length} of ${target}`,
      explainCounts(converted.skipped, 'left out'),
      explainCounts(converted.repairs, 'mended'),
    ]
      .filter((part) => part !== '')
      .join('; '),
  )
  await writeFile(output, jsonLines(converted.rows))
}

function formatOf(rows: readonly Row[], file: string, asked: string): DatasetFormat {
  if (asked !== 'auto') return formatNamed(asked)
  const detected = detectFormat(rows)
  if (detected !== undefined) return detected
  const [first] = rows
  const fields = first === undefined ? 'no row' : `a row with ${Object.keys(first.value).join(', ')}`
  throw new StageFailure({
    code: 'unknown-format',
    message: `the format of the file cannot be told from its rows: it holds ${fields}`,
    hint: `known formats: ${FORMATS.map(({ name, description }) => `${name} (${description})`).join('; ')}`,
    file,
    ...(first === undefined ? {} : { line: first.line }),
  })
}

function checkTolerance(
  faults: readonly RowFault[],
  total: number,
  file: string,
  tolerance: number,
  report: Conversion['report'],
): void {
  const [first] = faults
  if (first === undefined) return
  const listed = faults.slice(0, namedFaults).map(({ line, message }) => `line ${line}: ${message}`)
  const more = faults.length > namedFaults ? `; and ${faults.length - namedFaults} more` : ''
  const share = faults.length / total
  const summary = `${faults.length} of ${total} rows cannot be read (${(100 * share).toFixed(1)}%)`
  if (share > tolerance) {
    throw new StageFailure({
      code: 'unreadable-rows',
      message: `${summary}, more than the tolerance of ${100 * tolerance}%: ${listed.join('; ')}${more}`,
      hint: 'mend the rows, or set `tolerance` to the share that may be dropped',
      file,
      line: first.line,
    })
  }
  report.warn(`${summary} and are dropped: ${listed.join('; ')}${more}`)
}

function explainCounts(counts: Readonly<Record<string, number>>, heading?: string): string {
  const parts = Object.entries(counts).map(([reason, count]) => `${count} (${reason})`)
  if (parts.length === 0) return ''
  return heading === undefined ? parts.join(', ') : `${heading}: ${parts.join(', ')}`
}
