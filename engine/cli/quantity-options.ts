/** @file Sizes and times as people write them on the command line: 20GB, 30d. */
import { StageFailure } from '../stage/failure.ts'

const BYTES: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
}

const MILLISECONDS: Readonly<Record<string, number>> = {
  s: 1e3,
  m: 60e3,
  h: 3600e3,
  d: 24 * 3600e3,
  w: 7 * 24 * 3600e3,
}

/** `where`: the option or variable that holds the text. Throws a `StageFailure` (`option-value`). */
export function parseSizeBytes(text: string, where: string): number {
  return Math.round(parseQuantity(text, BYTES, { where, what: 'a size', example: '20GB, 512MiB' }))
}

/** As `parseSizeBytes`, in milliseconds. */
export function parseDurationMs(text: string, where: string): number {
  return Math.round(parseQuantity(text, MILLISECONDS, { where, what: 'a time', example: '30d, 12h' }))
}

/** A whole number from 0 up. */
export function parseCount(text: string, where: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw refusal(text, { where, what: 'a whole number', example: '10' })
}

interface Expectation {
  readonly where: string
  readonly what: string
  readonly example: string
}

function parseQuantity(
  text: string,
  units: Readonly<Record<string, number>>,
  expectation: Expectation,
): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)\s*([A-Za-z]+)$/.exec(text.trim()) ?? []
  const scale = Object.hasOwn(units, unit.toLowerCase()) ? units[unit.toLowerCase()] : undefined
  if (number === undefined || scale === undefined) throw refusal(text, expectation)
  return Number(number) * scale
}

function refusal(text: string, { where, what, example }: Expectation): StageFailure {
  return new StageFailure({
    code: 'option-value',
    message: `${where} needs ${what}, not \`${text}\``,
    hint: `for example ${example}`,
  })
}
