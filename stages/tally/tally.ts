/** @file Means of scores, with their interval. */
import { mean } from '../../lm/evaluation/mean.ts'
import type { JudgedRow } from '../../lm/text/rows.ts'

/** Standard normal quantile of a two-sided interval of 95%. */
const z = 1.96

/**
 * `score`: mean over all scored replies, with its interval of 95% (`score_low`, `score_high`) from the sample's
 * standard deviation where there are two or more; `scored`, `unscored`: how many; `score/FIELD/VALUE` and
 * `scored/FIELD/VALUE` for each value of the named fields. Undefined where no reply has a score.
 */
export function tallyScores(
  rows: readonly JudgedRow[],
  by: readonly string[],
): Record<string, number> | undefined {
  const scored = rows.flatMap((row) =>
    row.candidates.flatMap(({ score }) => (score === null ? [] : [{ row: row as object, score }])),
  )
  if (scored.length === 0) return undefined
  const replies = rows.reduce((sum, { candidates }) => sum + candidates.length, 0)
  const all = scored.map(({ score }) => score)
  const score = mean(all)
  const values: Record<string, number> = { score, scored: all.length, unscored: replies - all.length }
  if (all.length > 1) {
    const variance = all.reduce((sum, each) => sum + (each - score) ** 2, 0) / (all.length - 1)
    const half = z * Math.sqrt(variance / all.length)
    Object.assign(values, { score_low: score - half, score_high: score + half })
  }
  for (const field of by) {
    const groups = new Map<string, number[]>()
    for (const { row, score: each } of scored) {
      const label = (row as Record<string, unknown>)[field]
      if (typeof label !== 'string' && typeof label !== 'number') continue
      groups.set(String(label), [...(groups.get(String(label)) ?? []), each])
    }
    for (const label of [...groups.keys()].sort()) {
      values[`score/${field}/${label}`] = mean(groups.get(label)!)
      values[`scored/${field}/${label}`] = groups.get(label)!.length
    }
  }
  return values
}
