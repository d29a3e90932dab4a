/** @file Where in its layer each thing stands: as near to its neighbours above and below as the order allows. */
import type { Item } from './arrange.ts'
import { groupPath } from './layers.ts'

const ROUNDS = 40
/** A picture of so many things is not looked at closely. */
const MANY_SLOTS = 2000
/** Long lines are to be straight: first they find their place, in the last rounds they stretch. */
const LINE_WEIGHT = 4
const STRETCHED_WEIGHT = 100
const NODE_TO_LINE_WEIGHT = 0.2
/** The edges of a group's frame form one line, and keep others out. */
const FRAME_WEIGHT = 10

export interface Spacing {
  widthOf(item: Item): number
  /** Between neighbours in a layer. */
  gapOf(left: Item, right: Item): number
  /** Between a group's frame and what is next to it, inside and outside. */
  readonly framePadding: number
  /** All must lie within. @default no limit */
  readonly maxWidth?: number
}

export interface Coordinates {
  /** Middle of each item; the leftmost thing begins at 0. */
  readonly x: ReadonlyMap<Item, number>
  /** Group path -> its frame. */
  readonly frames: ReadonlyMap<string, { readonly left: number; readonly right: number }>
  readonly width: number
}

/** An edge of a group's frame in one layer. */
interface Edge {
  readonly group: string
  readonly side: 'left' | 'right'
}

interface Slot {
  readonly thing: Item | Edge
  readonly width: number
  x: number
}

/** Nothing where a layer is wider than allowed. */
export function coordinatesOf(
  layers: readonly (readonly Item[])[],
  spacing: Spacing,
): Coordinates | undefined {
  const rows = layers.map((layer) => slotsOf(layer, spacing))
  const slotOf = new Map(rows.flat().map((slot) => [slot.thing, slot]))
  const frameEdges = new Map<string, Slot[]>()
  for (const slot of rows.flat()) {
    if (!isEdge(slot.thing)) continue
    const name = `${slot.thing.side} ${slot.thing.group}`
    frameEdges.set(name, [...(frameEdges.get(name) ?? []), slot])
  }
  const widest = Math.max(0, ...rows.map((row) => offsetsOf(row, spacing).width))
  const room = spacing.maxWidth ?? Number.POSITIVE_INFINITY
  if (widest > room) return undefined
  for (const row of rows)
    settle(
      row,
      row.map(() => ({ x: widest / 2, weight: 1 })),
      spacing,
      room,
    )
  const rounds = slotOf.size > MANY_SLOTS ? 4 : ROUNDS
  for (let round = 0; round < rounds; round++) {
    const down = round % 2 === 0
    const both = round >= rounds / 2
    const lineWeight = round >= (rounds * 3) / 4 ? STRETCHED_WEIGHT : LINE_WEIGHT
    for (const row of down ? rows : [...rows].reverse()) {
      const wishes = row.map((slot) => wishOf(slot, both ? 'both' : down ? 'above' : 'below', lineWeight))
      settle(row, wishes, spacing, room)
    }
  }
  straighten(rows, slotOf, spacing)
  return measured(rows)

  function wishOf(slot: Slot, side: 'above' | 'below' | 'both', lineWeight: number): Wish {
    const { thing } = slot
    if (isEdge(thing)) {
      const xs = frameEdges.get(`${thing.side} ${thing.group}`)!.map(({ x }) => x)
      return {
        x: thing.side === 'left' ? Math.min(...xs) : Math.max(...xs),
        weight: FRAME_WEIGHT * lineWeight,
      }
    }
    const around = side === 'both' ? [...thing.above, ...thing.below] : thing[side]
    let [sum, weight] = [0, 0]
    for (const neighbour of around) {
      const pull = pullOf(thing, neighbour, lineWeight)
      sum += pull * slotOf.get(neighbour)!.x
      weight += pull
    }
    return weight === 0 ? { x: slot.x, weight: 0.1 } : { x: sum / weight, weight }
  }
}

/** How much a thing is drawn to its neighbour. A line may take the way to a node, which stays with other nodes. */
function pullOf(thing: Item, neighbour: Item, lineWeight: number): number {
  if (neighbour.node !== undefined) return 1
  return thing.node === undefined ? lineWeight : NODE_TO_LINE_WEIGHT
}

interface Wish {
  readonly x: number
  readonly weight: number
}

function isEdge(thing: Item | Edge): thing is Edge {
  return 'side' in thing
}

/** The items of a layer with the edges of the frames that they stand in. */
function slotsOf(layer: readonly Item[], { widthOf }: Spacing): Slot[] {
  const slots: Slot[] = []
  let open: readonly string[] = []
  const edge = (group: readonly string[], side: Edge['side']) =>
    slots.push({ thing: { group: groupPath(group), side }, width: 0, x: 0 })
  const enter = (group: readonly string[]) => {
    let shared = 0
    while (shared < open.length && open[shared] === group[shared]) shared++
    for (let depth = open.length; depth > shared; depth--) edge(open.slice(0, depth), 'right')
    for (let depth = shared + 1; depth <= group.length; depth++) edge(group.slice(0, depth), 'left')
    open = group
  }
  for (const item of layer) {
    enter(item.group)
    slots.push({ thing: item, width: widthOf(item), x: 0 })
  }
  enter([])
  return slots
}

/** Where each slot's middle would be with all as far left as they go, and the width of all. */
function offsetsOf(
  row: readonly Slot[],
  { gapOf, framePadding }: Spacing,
): { readonly offsets: readonly number[]; readonly width: number } {
  const offsets: number[] = []
  let end = 0
  for (const [index, slot] of row.entries()) {
    const before = row[index - 1]
    if (before !== undefined) {
      const [left, right] = [before.thing, slot.thing]
      end += isEdge(left) || isEdge(right) ? framePadding : gapOf(left, right)
    }
    offsets.push(end + slot.width / 2)
    end += slot.width
  }
  return { offsets, width: end }
}

/**
 * Least squares under the order: without the room that each takes, wishes that contradict the order are pooled and
 * take their mean (isotonic regression by pooling adjacent violators).
 */
function settle(row: readonly Slot[], wishes: readonly Wish[], spacing: Spacing, room: number): void {
  const { offsets, width } = offsetsOf(row, spacing)
  const pools: { sum: number; weight: number; count: number }[] = []
  for (const [index, { x, weight }] of wishes.entries()) {
    let pool = { sum: weight * (x - offsets[index]!), weight, count: 1 }
    for (let last = pools.at(-1); last !== undefined; last = pools.at(-1)) {
      if (last.sum / last.weight <= pool.sum / pool.weight) break
      pool = { sum: last.sum + pool.sum, weight: last.weight + pool.weight, count: last.count + pool.count }
      pools.pop()
    }
    pools.push(pool)
  }
  const least = room === Number.POSITIVE_INFINITY ? Number.NEGATIVE_INFINITY : 0
  let index = 0
  for (const { sum, weight, count } of pools) {
    const shift = Math.min(Math.max(sum / weight, least), room - width)
    for (let member = 0; member < count; member++, index++) row[index]!.x = shift + offsets[index]!
  }
}

/** Each line of bends becomes upright where its neighbours leave it the room. */
function straighten(
  rows: readonly (readonly Slot[])[],
  slotOf: ReadonlyMap<Item | Edge, Slot>,
  spacing: Spacing,
): void {
  const bounds = new Map<Slot, { readonly least: number; readonly most: number }>()
  for (const row of rows) {
    const { offsets } = offsetsOf(row, spacing)
    for (const [index, slot] of row.entries()) {
      const [before, after] = [row[index - 1], row[index + 1]]
      const away = (other: number) => offsets[index]! - offsets[other]!
      // Asked for when its turn comes: neighbours may have moved by then.
      bounds.set(slot, {
        get least() {
          return before === undefined ? Number.NEGATIVE_INFINITY : before.x + away(index - 1)
        },
        get most() {
          return after === undefined ? Number.POSITIVE_INFINITY : after.x + away(index + 1)
        },
      })
    }
  }
  for (const line of linesOf(rows, slotOf)) {
    const least = Math.max(...line.map((slot) => bounds.get(slot)!.least))
    const most = Math.min(...line.map((slot) => bounds.get(slot)!.most))
    if (least > most) continue
    const mean = line.reduce((sum, { x }) => sum + x, 0) / line.length
    for (const slot of line) slot.x = Math.min(Math.max(mean, least), most)
  }
}

/** Bends that follow one another. */
function linesOf(
  rows: readonly (readonly Slot[])[],
  slotOf: ReadonlyMap<Item | Edge, Slot>,
): readonly (readonly Slot[])[] {
  const lines: Slot[][] = []
  for (const { thing } of rows.flat()) {
    if (isEdge(thing) || thing.node !== undefined || thing.above[0]?.node === undefined) continue
    const line: Slot[] = []
    for (let bend: Item | undefined = thing; bend !== undefined; ) {
      line.push(slotOf.get(bend)!)
      bend = bend.below.find(({ node }) => node === undefined)
    }
    lines.push(line)
  }
  return lines
}

function measured(rows: readonly (readonly Slot[])[]): Coordinates {
  const slots = rows.flat()
  const left = slots.reduce((least, { x, width }) => Math.min(least, x - width / 2), Number.POSITIVE_INFINITY)
  const right = slots.reduce((most, { x, width }) => Math.max(most, x + width / 2), Number.NEGATIVE_INFINITY)
  const x = new Map<Item, number>()
  const frames = new Map<string, { left: number; right: number }>()
  for (const slot of slots) {
    const place = slot.x - left
    if (!isEdge(slot.thing)) {
      x.set(slot.thing, place)
      continue
    }
    const frame = frames.get(slot.thing.group) ?? { left: place, right: place }
    frames.set(slot.thing.group, { left: Math.min(frame.left, place), right: Math.max(frame.right, place) })
  }
  return { x, frames, width: slots.length === 0 ? 0 : right - left }
}
