/** @file Durations and sizes as workflow files write them: a number with its unit. */

const MILLISECONDS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** `30s`, `1.5h` in milliseconds; undefined where the text is no duration. */
export function parseDurationMs(text: string): number | undefined {
  return parse(text, MILLISECONDS)
}

/** `512MiB`, `8GB` in bytes; undefined where the text is no size. */
export function parseSizeBytes(text: string): number | undefined {
  return parse(text, BYTES)
}

function parse(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?)([A-Za-z]+)$/.exec(text) ?? []
  const scale = Object.hasOwn(units, unit) ? units[unit] : undefined
  if (number === undefined || scale === undefined) return undefined
  return Math.round(Number(number) * scale)
}
