/** @file Correlation of pairs of numbers. */
import { mean } from './mean.ts'

type Pairs = readonly (readonly [number, number])[]

/** Deviations below it are rounding: equal numbers such as three times 0.1 have a mean that differs in the last bit. */
const smallestDeviation = 1e-9

/** Pearson's; NaN where either side does not vary. */
export function correlation(pairs: Pairs): number {
  const [meanX, meanY] = [mean(pairs.map(([x]) => x)), mean(pairs.map(([, y]) => y))]
  let [xy, xx, yy] = [0, 0, 0]
  for (const [x, y] of pairs) {
    xy += (x - meanX) * (y - meanY)
    xx += (x - meanX) ** 2
    yy += (y - meanY) ** 2
  }
  const varies = (squares: number) => Math.sqrt(squares / pairs.length) > smallestDeviation
  return varies(xx) && varies(yy) ? xy / Math.sqrt(xx * yy) : Number.NaN
}

/** Spearman's: Pearson's of the ranks, equal numbers sharing the mean of theirs. */
export function rankCorrelation(pairs: Pairs): number {
  const [x, y] = [ranks(pairs.map(([each]) => each)), ranks(pairs.map(([, each]) => each))]
  return correlation(x.map((rank, index) => [rank, y[index]!]))
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, index) => index).sort((a, b) => values[a]! - values[b]!)
  const found = new Array<number>(values.length)
  for (let start = 0; start < order.length; ) {
    let end = start
    while (end < order.length && values[order[end]!] === values[order[start]!]) end++
    for (let at = start; at < end; at++) found[order[at]!] = (start + end - 1) / 2
    start = end
  }
  return found
}
