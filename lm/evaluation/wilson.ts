/** @file Wilson's score interval for a share (Wilson 1927): sound for small samples and near 0 and 1. */

export interface Interval {
  readonly low: number
  readonly high: number
}

/** @param z standard normal quantile; 1.96 for 95%. */
export function wilsonInterval(share: number, sampleSize: number, z = 1.96): Interval {
  if (sampleSize <= 0) return { low: 0, high: 1 }
  const z2 = z * z
  const centre = (share + z2 / (2 * sampleSize)) / (1 + z2 / sampleSize)
  const half =
    (z / (1 + z2 / sampleSize)) *
    Math.sqrt((share * (1 - share)) / sampleSize + z2 / (4 * sampleSize * sampleSize))
  return { low: Math.max(0, centre - half), high: Math.min(1, centre + half) }
}
