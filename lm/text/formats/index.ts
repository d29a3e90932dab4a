/** @file Published dataset formats: which one a file has, and its rows as instructions, preferences or rewards. */
import { LmFailure } from '../../failure.ts'
import { parse } from '../fields.ts'
import type { Row, RowFault } from '../read-rows.ts'
import { alpaca } from './alpaca.ts'
import type { DatasetFormat, FormatOptions } from './format.ts'
import { messages } from './messages.ts'
import { openorca } from './openorca.ts'
import { pairs } from './pairs.ts'
import { pkuSaferlhf } from './pku-saferlhf.ts'
import { preferenceDemo } from './preference-demo.ts'
import { TARGETS, type Target, type TargetRow, writeSample } from './sample.ts'
import { seedTasks } from './seed-tasks.ts'
import { selfInstruct } from './self-instruct.ts'
import { sharegpt } from './sharegpt.ts'
import { ultrafeedback } from './ultrafeedback.ts'
import { ultrafeedbackBinarized } from './ultrafeedback-binarized.ts'

export type { DatasetFormat, FormatOptions } from './format.ts'
export type { Target, TargetRow } from './sample.ts'

/** In the order in which they are tried: those with the most telling fields first. */
export const FORMATS: readonly DatasetFormat[] = [
  pkuSaferlhf,
  ultrafeedback,
  ultrafeedbackBinarized,
  preferenceDemo,
  pairs,
  seedTasks,
  sharegpt,
  messages,
  alpaca,
  openorca,
  selfInstruct,
]

export function formatNamed(name: string): DatasetFormat {
  const format = FORMATS.find((candidate) => candidate.name === name)
  if (format) return format
  throw new LmFailure({
    code: 'unknown-format',
    message: `there is no dataset format \`${name}\``,
    hint: `formats are ${FORMATS.map((known) => known.name).join(', ')}`,
  })
}

/** Targets that a format's rows can be converted to, the natural one first. */
export function targetsOf(format: DatasetFormat): readonly Target[] {
  return TARGETS[format.sampleKind]
}

/** How many rows are looked at to tell a file's format. */
const DETECTION_ROWS = 100

/**
 * The format that most of the first rows have, so that a broken first row misleads nobody. Undefined where no row has
 * a known one.
 */
export function detectFormat(rows: readonly Row[]): DatasetFormat | undefined {
  const counts = new Map<DatasetFormat, number>()
  for (const { value } of rows.slice(0, DETECTION_ROWS)) {
    const format = FORMATS.find((candidate) => candidate.detect(value))
    if (format) counts.set(format, (counts.get(format) ?? 0) + 1)
  }
  let detected: DatasetFormat | undefined
  for (const [format, count] of counts) {
    if (detected === undefined || count > counts.get(detected)!) detected = format
  }
  return detected
}

export interface ConvertedRows {
  readonly rows: readonly TargetRow[]
  /** Rows that could not be read. */
  readonly faults: readonly RowFault[]
  /** Sound rows that gave nothing, by reason. */
  readonly skipped: Readonly<Record<string, number>>
  /** What was mended, by kind, in rows. */
  readonly repairs: Readonly<Record<string, number>>
}

/**
 * Converts a file's rows. A reward's `group` is the index of its row. Throws `LmFailure` `unsuited-format` where
 * the format cannot give the target at all.
 */
export function convertRows(
  format: DatasetFormat,
  rows: readonly Row[],
  target: Target,
  options: FormatOptions = {},
): ConvertedRows {
  if (!targetsOf(format).includes(target)) {
    throw new LmFailure({
      code: 'unsuited-format',
      message: `${format.name} rows hold no ${target}`,
      hint: `they give ${targetsOf(format).join(', ')}`,
    })
  }
  const converted: TargetRow[] = []
  const faults: RowFault[] = []
  const skipped: Record<string, number> = {}
  const repairs: Record<string, number> = {}
  rows.forEach(({ line, value }, index) => {
    const parsed = parse(value, (row) => format.read(row, options))
    if (parsed.fault !== undefined) {
      faults.push({ line, message: parsed.fault })
      return
    }
    for (const repair of parsed.value.repairs ?? []) count(repairs, repair)
    for (const sample of parsed.value.samples) {
      const written = writeSample(sample, target, index)
      if ('skipped' in written) count(skipped, written.skipped)
      else converted.push(...written.rows)
    }
  })
  return { rows: converted, faults, skipped, repairs }
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1
}
