/** @file Sizes, times and counts on the command line: 20GB, 30d, 10. */
import { StageFailure } from '../stage/failure.ts'
import { parseDurationMs, parseSizeBytes } from '../workflow/parse-quantity.ts'

/** `where`: the option or variable that holds the text. Throws a `StageFailure` (`option-value`). */
export function sizeOption(text: string, where: string): number {
  return parseSizeBytes(text) ?? refuse(text, where, 'a size', '20GB or 512MiB')
}

/** In milliseconds; throws as `sizeOption` does. */
export function durationOption(text: string, where: string): number {
  return parseDurationMs(text) ?? refuse(text, where, 'a time', '30d or 12h')
}

/** A whole number from 0 up; throws as `sizeOption` does. */
export function countOption(text: string, where: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : refuse(text, where, 'a whole number', '10')
}

function refuse(text: string, where: string, what: string, example: string): never {
  throw new StageFailure({
    code: 'option-value',
    message: `${where} needs ${what}, not \`${text}\``,
    hint: `for example ${example}`,
  })
}
