/** @file A graph as boxes and lines in a terminal. */
import type { Paint } from '../terminal/paint.ts'
import { displayWidth } from '../workflow/display-width.ts'
import { arrange, type Item } from './arrange.ts'
import { Canvas } from './canvas.ts'
import { landingColumns, type Net, route } from './channels.ts'
import { type Coordinates, coordinatesOf } from './coordinates.ts'
import type { FlowGraph, GraphNode } from './flow-graph.ts'
import { nodeColour } from './node-colour.ts'

/** A bend may move by one column to either side. */
const BEND_WIDTH = 3

function gapOf(left: Item, right: Item): number {
  if (left.node === undefined && right.node === undefined) return 0
  return left.node === undefined || right.node === undefined ? 1 : 2
}

/** Nothing where the drawing would be wider than `width` cells. */
export function drawBoxes(graph: FlowGraph, width: number, paint: Paint): string | undefined {
  const { layers } = arrange(graph)
  const texts = new Map(graph.nodes.map((node) => [node, textOf(node)]))
  const widthOf = ({ node, above }: Item) => {
    if (node === undefined) return BEND_WIDTH
    const longest = Math.max(...texts.get(node)!.map(displayWidth))
    // Each edge that ends at the box has a column of its own, with one between.
    return Math.max(longest + 4, 2 * above.length + 3)
  }
  const placed = coordinatesOf(layers, { widthOf, gapOf, framePadding: 1, maxWidth: width })
  return placed === undefined ? undefined : drawn(graph, layers, placed, { width, widthOf, texts, paint })
}

/** The lines in a box. */
function textOf({ label, group, id, stage, planned }: GraphNode): string[] {
  const name = group.length === 0 ? label : id
  const details = [...(stage === label ? [] : [stage]), ...(planned === undefined ? [] : [planned.decision])]
  return details.length === 0 ? [name] : [name, details.join(' · ')]
}

function drawn(
  graph: FlowGraph,
  layers: readonly (readonly Item[])[],
  { x }: Coordinates,
  {
    width,
    widthOf,
    texts,
    paint,
  }: {
    readonly width: number
    readonly widthOf: (item: Item) => number
    readonly texts: ReadonlyMap<GraphNode, readonly string[]>
    readonly paint: Paint
  },
): string | undefined {
  const canvas = new Canvas()
  const leftOf = new Map<Item, number>()
  /** Where the lines of an item come down: the middle of a box, or where a line enters its bend. */
  const comesDown = new Map<Item, number>()
  for (const layer of layers) placeLayer(layer, x, widthOf, leftOf, comesDown)
  const margin = Math.min(...leftOf.values())
  for (const [item, left] of leftOf) {
    leftOf.set(item, left - margin)
    comesDown.set(item, comesDown.get(item)! - margin)
  }
  if ([...leftOf].some(([item, left]) => left + widthOf(item) > width)) return undefined
  let row = 0
  let ends: Ends | undefined
  for (const [index, layer] of layers.entries()) {
    const heights = layer.map(({ node }) => 2 + (node === undefined ? 0 : texts.get(node)!.length))
    const height = Math.max(...heights)
    for (const [at, item] of layer.entries()) {
      const [column, bottom] = [comesDown.get(item)!, row + heights[at]! - 1]
      if (item.node === undefined) {
        canvas.vertical(item.source, column, row, row + height - 1)
        continue
      }
      const box = { left: leftOf.get(item)!, width: widthOf(item), top: row, height: heights[at]! }
      drawBox(canvas, box, item.node, texts.get(item.node)!)
      for (const column of ends?.get(item)?.values() ?? []) canvas.write(row, column, '▼', 'box')
      if (item.below.length === 0) continue
      canvas.write(bottom, column, '┬', 'box')
      canvas.vertical(item.source, column, bottom, row + height - 1)
    }
    row += height
    const next = layers[index + 1]
    if (next === undefined) break
    ends = endsOf(layer, next, leftOf, widthOf, comesDown)
    if (ends === undefined) return undefined
    row = drawChannel(canvas, row, layer, ends, comesDown)
  }
  const colours = new Map(graph.nodes.map((node) => [String(node.id), nodeColour(node)]))
  return canvas.toText((style, text) => {
    if (style === undefined) return text
    if (style === 'line' || style === 'box') return paint('dim', text)
    return style === 'name' ? paint('bold', text) : paint(colours.get(style), text)
  })
}

/** Rounds to columns. Rounded one by one, two neighbours could come to overlap, and a straight line to be bent. */
function placeLayer(
  layer: readonly Item[],
  x: Coordinates['x'],
  widthOf: (item: Item) => number,
  leftOf: Map<Item, number>,
  comesDown: Map<Item, number>,
): void {
  let [end, before] = [0, undefined as Item | undefined]
  for (const item of layer) {
    const least = before === undefined ? 0 : end + Math.min(1, gapOf(before, item))
    const middle = Math.round(x.get(item)!)
    const above = item.above.length === 1 ? comesDown.get(item.above[0]!)! : middle
    const wished = Math.abs(above - middle) <= 2 ? above : middle
    const left = Math.max(wished - middleOf(widthOf(item)), least)
    leftOf.set(item, left)
    comesDown.set(item, left + middleOf(widthOf(item)))
    end = left + widthOf(item)
    before = item
  }
}

function middleOf(width: number): number {
  return Math.floor((width - 1) / 2)
}

interface Box {
  readonly left: number
  readonly width: number
  readonly top: number
  readonly height: number
}

function drawBox(
  canvas: Canvas,
  { left, width, top, height }: Box,
  node: GraphNode,
  text: readonly string[],
): void {
  const line = '─'.repeat(width - 2)
  canvas.write(top, left, `╭${line}╮`, 'box')
  canvas.write(top + height - 1, left, `╰${line}╯`, 'box')
  for (let inner = 1; inner < height - 1; inner++) {
    canvas.write(top + inner, left, '│', 'box')
    canvas.write(top + inner, left + width - 1, '│', 'box')
    const shown = text[inner - 1] ?? ''
    const indent = Math.floor((width - 2 - displayWidth(shown)) / 2)
    canvas.write(top + inner, left + 1 + indent, shown, inner === 1 ? 'name' : node.id)
  }
}

/** Of each item of a layer: the columns in which edges from those above end. */
type Ends = ReadonlyMap<Item, ReadonlyMap<Item, number>>

/** The columns in which edges end, item by item of the lower layer; bends go on in them. */
function endsOf(
  layer: readonly Item[],
  next: readonly Item[],
  leftOf: ReadonlyMap<Item, number>,
  widthOf: (item: Item) => number,
  comesDown: Map<Item, number>,
): Ends | undefined {
  const sources = new Map(
    layer
      .filter(({ below }) => below.length > 0)
      .map((item) => [comesDown.get(item)!, item.source as string]),
  )
  const arrivals = next.map((item) => [...item.above].sort((a, b) => comesDown.get(a)! - comesDown.get(b)!))
  const columns = landingColumns(
    next.map((item, index) => {
      const inset = item.node === undefined ? 0 : 1
      const left = leftOf.get(item)!
      return {
        first: left + inset,
        last: left + widthOf(item) - 1 - inset,
        arrivals: arrivals[index]!.map((above) => ({ net: above.source, from: comesDown.get(above)! })),
      }
    }),
    sources,
  )
  if (columns === undefined) return undefined
  return new Map(
    next.map((item, index) => {
      const ends = new Map(arrivals[index]!.map((above, at) => [above, columns[index]![at]!]))
      const [only] = ends.values()
      if (item.node === undefined && only !== undefined) comesDown.set(item, only)
      return [item, ends]
    }),
  )
}

/** Returns the row below the channel. */
function drawChannel(
  canvas: Canvas,
  top: number,
  layer: readonly Item[],
  ends: Ends,
  comesDown: ReadonlyMap<Item, number>,
): number {
  const nets = layer.flatMap((item): Net[] => {
    const to = item.below.map((target) => ends.get(target)!.get(item)!).sort((a, b) => a - b)
    return to.length === 0 ? [] : [{ name: item.source, from: comesDown.get(item)!, to }]
  })
  const { trackOf, tracks } = route(nets)
  // Verticals begin and end in the rows of the boxes, where a border or a bend takes them on.
  const bottom = top + Math.max(1, tracks)
  for (const net of nets) {
    const track = trackOf.get(net)
    if (track === undefined) {
      canvas.vertical(net.name, net.from, top - 1, bottom)
      continue
    }
    canvas.vertical(net.name, net.from, top - 1, top + track)
    canvas.horizontal(net.name, top + track, Math.min(net.from, ...net.to), Math.max(net.from, ...net.to))
    for (const column of net.to) canvas.vertical(net.name, column, top + track, bottom)
  }
  return bottom
}
