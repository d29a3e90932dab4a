/**
 * @file A noisy series smoothed by local linear regression (Cleveland 1979) with triangular weights. Unlike a running
 * average it does not lag behind a series that falls, nor bend at its ends.
 */

/** @param reach how many neighbours on each side count; 0 leaves the series as it is. */
export function smooth(values: readonly number[], reach: number): number[] {
  return values.map((value, centre) => {
    let weights = 0
    let meanX = 0
    let meanY = 0
    let xx = 0
    let xy = 0
    const first = Math.max(0, centre - reach)
    const last = Math.min(values.length - 1, centre + reach)
    for (let row = first; row <= last; row += 1) {
      const x = row - centre
      const y = values[row] ?? value
      const weight = reach + 1 - Math.abs(x)
      weights += weight
      meanX += weight * x
      meanY += weight * y
      xx += weight * x * x
      xy += weight * x * y
    }
    meanX /= weights
    meanY /= weights
    const variance = xx / weights - meanX * meanX
    const slope = variance === 0 ? 0 : (xy / weights - meanX * meanY) / variance
    // The fitted line's height at the centre, x = 0.
    return meanY - slope * meanX
  })
}

/** A tenth of the series, at least 3 and at most 50 steps. */
export function smoothingReach(length: number): number {
  return Math.min(50, Math.max(3, Math.round(length / 10)))
}
