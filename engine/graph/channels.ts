/**
 * @file How edges run between two layers of boxes on a grid: from the middle of a box down to a horizontal track, along
 * it, and down to where they end. All edges of one node share a track. No two tracks touch, and no edge begins above
 * the column in which another one ends: so lines cross at right angles or not at all.
 */

/** The edges of one node, or of a bend of its line. */
export interface Net {
  readonly name: string
  /** Column in which it comes down. */
  readonly from: number
  /** Columns in which it goes on, sorted. */
  readonly to: readonly number[]
}

export interface Routing {
  /** Net -> its track, 0 the uppermost. Absent: straight down. */
  readonly trackOf: ReadonlyMap<Net, number>
  readonly tracks: number
}

/** A place where edges end: a box, or a bend. */
export interface Landing {
  /** Columns that they may end in, both included. */
  readonly first: number
  readonly last: number
  /** Net names with the columns where they come down, from left to right. */
  readonly arrivals: readonly { readonly net: string; readonly from: number }[]
}

/**
 * The columns in which edges end, for each landing in the order of its arrivals. `sources`: columns in which edges come
 * down. Nothing where there is not room enough.
 */
export function landingColumns(
  landings: readonly Landing[],
  sources: ReadonlyMap<number, string>,
): readonly (readonly number[])[] | undefined {
  const all: number[][] = []
  for (const { first, last, arrivals } of landings) {
    const taken: number[] = []
    for (const [index, { net, from }] of arrivals.entries()) {
      // Straight down where that leaves room for the others, else evenly spread.
      const after = arrivals.length - 1 - index
      const [least, most] = [(taken.at(-1) ?? first - 2) + 2, last - 2 * after]
      const even = Math.round(first + ((last - first) * (index + 0.5)) / arrivals.length - 0.01)
      const wished = from >= least && from <= most ? from : Math.min(Math.max(even, least), most)
      const column = nearestFree(wished, least, most, (at) => (sources.get(at) ?? net) === net)
      if (column === undefined) return undefined
      taken.push(column)
    }
    all.push(taken)
  }
  return all
}

function nearestFree(
  wished: number,
  least: number,
  most: number,
  isFree: (column: number) => boolean,
): number | undefined {
  for (let away = 0; away <= most - least; away++) {
    for (const column of [wished - away, wished + away]) {
      if (column >= least && column <= most && isFree(column)) return column
    }
  }
  return undefined
}

export function route(nets: readonly Net[]): Routing {
  const bent = nets.filter(({ from, to }) => to.length > 1 || to[0] !== from)
  const ordered = withFewCrossings(bent)
  const trackOf = new Map<Net, number>()
  for (const [index, net] of ordered.entries()) {
    let track = 0
    for (const other of ordered.slice(0, index)) {
      if (touch(net, other)) track = Math.max(track, trackOf.get(other)! + 1)
    }
    trackOf.set(net, track)
  }
  return { trackOf, tracks: Math.max(0, ...[...trackOf.values()].map((track) => track + 1)) }
}

/** From the uppermost. Neighbours change places as long as that saves crossings. */
function withFewCrossings(nets: readonly Net[]): Net[] {
  const order = [...nets].sort((one, other) => leftOf(one) - leftOf(other))
  for (let pass = 0; pass < order.length; pass++) {
    let better = false
    for (let at = 0; at + 1 < order.length; at++) {
      const [upper, lower] = [order[at]!, order[at + 1]!]
      if (crossingsOf(lower, upper) >= crossingsOf(upper, lower)) continue
      order[at] = lower
      order[at + 1] = upper
      better = true
    }
    if (!better) break
  }
  return order
}

function crossingsOf(upper: Net, lower: Net): number {
  const ends = upper.to.filter((column) => column > leftOf(lower) && column < rightOf(lower)).length
  return ends + (lower.from > leftOf(upper) && lower.from < rightOf(upper) ? 1 : 0)
}

function touch(one: Net, other: Net): boolean {
  return leftOf(one) <= rightOf(other) + 1 && leftOf(other) <= rightOf(one) + 1
}

function leftOf({ from, to }: Net): number {
  return Math.min(from, ...to)
}

function rightOf({ from, to }: Net): number {
  return Math.max(from, ...to)
}
