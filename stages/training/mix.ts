/** @file Several sets of rows as one: joined, or drawn from by weight as `interleave_datasets` does. */
import { StageFailure, Type } from 'flow/stage'
import { createRandom } from '../../lm/random.ts'

export const mixParams = {
  mix: Type.Optional(
    Type.Record(Type.String(), Type.Number({ exclusiveMinimum: 0 }), {
      description: 'Label of a data set -> how often rows are drawn from it; without it the sets are joined',
    }),
  ),
  mix_strategy: Type.Union([Type.Literal('first_exhausted'), Type.Literal('all_exhausted')], {
    default: 'first_exhausted',
    description: 'With `mix`: ends when one set, or every set, has been used up; a set used up starts over',
  }),
}

export interface MixParams {
  readonly mix?: Readonly<Record<string, number>> | undefined
  readonly mix_strategy: 'first_exhausted' | 'all_exhausted'
  readonly seed: number
}

/** A set with a tiny weight takes forever to be used up. */
const mostRows = 5e6

/** @throws StageFailure `invalid-parameter` where `mix` and the labels of the input `data` are not the same */
export function checkMix({ mix }: Pick<MixParams, 'mix'>, labels: readonly string[]): void {
  if (mix === undefined) return
  const stray = Object.keys(mix).find((label) => !labels.includes(label))
  const missing = labels.find((label) => !(label in mix))
  if (stray === undefined && missing === undefined) return
  throw new StageFailure({
    code: 'invalid-parameter',
    message:
      stray === undefined
        ? `\`mix\` gives no weight for the data set \`${missing}\``
        : `\`mix\` names \`${stray}\`, which is no data set of the input \`data\``,
    hint: `give each of ${labels.join(', ')} a weight`,
  })
}

/**
 * Rows of all sets, by label. Weights need not sum to 1; a set without rows is left out.
 * @throws StageFailure `invalid-parameter` where the result would be immense
 */
export function joinSets<Row>(sets: Readonly<Record<string, readonly Row[]>>, params: MixParams): Row[] {
  const { mix, mix_strategy: strategy, seed } = params
  const filled = Object.entries(sets).filter(([, rows]) => rows.length > 0)
  const all = filled.map(([, rows]) => rows)
  if (mix === undefined) return all.flat()
  const weights = filled.map(([label]) => mix[label]!)
  const total = weights.reduce((a, b) => a + b, 0)
  const draws = all.map((rows, set) => (rows.length * total) / weights[set]!)
  if (strategy === 'all_exhausted' && Math.max(...draws) > mostRows) {
    throw new StageFailure({
      code: 'invalid-parameter',
      message: `with these weights about ${Math.max(...draws).toExponential(1)} rows are drawn before every set is used up`,
      hint: 'raise the smallest weights of `mix`, or take `mix_strategy: first_exhausted`',
    })
  }
  const random = createRandom(`mix ${seed}`)
  const order = interleave(
    all.map((rows) => rows.length),
    () => drawIndex(weights, random.next()),
    strategy,
  )
  return order.map(({ set, row }) => all[set]![row]!)
}

/** @param uniform in [0, 1) */
function drawIndex(weights: readonly number[], uniform: number): number {
  let rest = uniform * weights.reduce((a, b) => a + b, 0)
  for (let index = 0; index < weights.length - 1; index++) {
    rest -= weights[index]!
    if (rest < 0) return index
  }
  return weights.length - 1
}

/**
 * Rows in turn from the sets that `draw` names, each set from its first row on and from there again once it is used
 * up, until one set has been used up, or all have.
 * @param lengths rows of each set, at least one
 */
export function interleave(
  lengths: readonly number[],
  draw: () => number,
  strategy: MixParams['mix_strategy'],
): { readonly set: number; readonly row: number }[] {
  const next = lengths.map(() => 0)
  const exhausted = new Set<number>()
  const enough = strategy === 'first_exhausted' ? Math.min(1, lengths.length) : lengths.length
  const order: { set: number; row: number }[] = []
  while (exhausted.size < enough) {
    const set = draw()
    order.push({ set, row: next[set]! })
    next[set]!++
    if (next[set] === lengths[set]) {
      exhausted.add(set)
      next[set] = 0
    }
  }
  return order
}
