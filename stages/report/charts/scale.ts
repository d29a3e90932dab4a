/** @file Linear scales and the round numbers at which an axis is marked. */

export interface Scale {
  (value: number): number
  readonly domain: readonly [number, number]
}

export function linearScale(domain: readonly [number, number], range: readonly [number, number]): Scale {
  const span = domain[1] - domain[0] || 1
  const scale = (value: number) => range[0] + ((value - domain[0]) / span) * (range[1] - range[0])
  return Object.assign(scale, { domain })
}

/** About `count` multiples of 1, 2 or 5 times a power of ten within [low, high]. */
export function ticks(low: number, high: number, count: number): number[] {
  if (!(high > low)) return [low]
  const rough = (high - low) / Math.max(1, count)
  const power = 10 ** Math.floor(Math.log10(rough))
  // The multiple that is nearest on a logarithmic scale: its borders are the geometric means of neighbours.
  const mantissa = rough / power
  const step =
    power * (mantissa >= Math.sqrt(50) ? 10 : mantissa >= Math.sqrt(10) ? 5 : mantissa >= Math.SQRT2 ? 2 : 1)
  const first = Math.ceil(low / step - 1e-9)
  const last = Math.floor(high / step + 1e-9)
  // Dividing by the inverse keeps 0.3 from becoming 0.30000000000000004.
  const inverse = step < 1 ? Math.round(1 / step) : undefined
  return Array.from({ length: last - first + 1 }, (_, index) =>
    inverse === undefined ? (first + index) * step : (first + index) / inverse,
  )
}

/** The values' range, widened by a twentieth, so that lines do not touch the frame; 0 included where it is near. */
export function paddedDomain(values: readonly number[]): readonly [number, number] {
  let low = Number.POSITIVE_INFINITY
  let high = Number.NEGATIVE_INFINITY
  for (const value of values) {
    if (value < low) low = value
    if (value > high) high = value
  }
  if (!Number.isFinite(low)) return [0, 1]
  const span = high - low || Math.abs(high) || 1
  const floor = low >= 0 && low < span ? 0 : low - span * 0.05
  return [floor, high + span * 0.05]
}
