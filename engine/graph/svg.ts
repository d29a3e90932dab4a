/** @file A graph as a picture: layers from the top down, groups framed, edges as curves. */
import type { NodeId } from '../identity.ts'
import type { PlannedNode } from '../plan/plan.ts'
import { arrange, type Item } from './arrange.ts'
import { type Coordinates, coordinatesOf } from './coordinates.ts'
import type { FlowGraph, GraphNode } from './flow-graph.ts'
import { groupPath } from './layers.ts'
import { xmlText } from './markup.ts'
import { svgStyle } from './svg-style.ts'
import { fittingText, textWidthPx } from './text-width.ts'

// All in pixels.
const MARGIN = 24
const TITLE_HEIGHT = 30
const LEGEND_HEIGHT = 32
const NAME_FONT = 13
const DETAIL_FONT = 11
const WIDEST_TEXT = 240
const NARROWEST_BOX = 76
const TEXT_PADDING = 14
const BOX_HEIGHTS = [34, 48] as const
const NODE_GAP = 26
const LINE_GAP = 16
const BEND_WIDTH = 4
const CHANNEL_HEIGHT = 46
/** Ends of edges at the top of a box. */
const PORT_GAP = 14
const FRAME_PADDING = 14
/** Above the first box of a frame: its name. */
const FRAME_HEAD = 26
const FRAME_FOOT = 14
const TIP = 6

interface Drawing {
  readonly graph: FlowGraph
  readonly layers: readonly (readonly Item[])[]
  readonly coordinates: Coordinates
  /** Of each layer. */
  readonly tops: readonly number[]
  readonly heights: readonly number[]
}

export function svgText(graph: FlowGraph): string {
  const { layers } = arrange(graph)
  const coordinates = coordinatesOf(layers, { widthOf, gapOf, framePadding: FRAME_PADDING })
  // Without a limit every graph has its place.
  if (coordinates === undefined) throw new Error('a graph found no place on an endless page')
  const { tops, heights, bottom } = rowsOf(layers)
  const drawing = { graph, layers, coordinates, tops, heights }
  const frames = framesOf(drawing)
  const legend = legendOf(graph, bottom + 8)
  const width = Math.ceil(Math.max(coordinates.width, textWidthPx(graph.name, 15), legend.width) + 2 * MARGIN)
  const height = Math.ceil(bottom + (legend.text === '' ? 0 : LEGEND_HEIGHT) + MARGIN)
  const shift = (width - coordinates.width) / 2
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${xmlText(graph.name)}">`,
    `<style>${svgStyle}</style>`,
    `<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="${TIP}" markerHeight="${TIP}" orient="auto"><path class="tip" d="M0 0.5 L8 4 L0 7.5 Z"/></marker></defs>`,
    `<text class="title" x="${MARGIN}" y="${MARGIN + 12}">${xmlText(graph.name)}</text>`,
    `<g transform="translate(${number(shift)} 0)">`,
    ...frames.boxes,
    ...edgesOf(drawing),
    ...frames.names,
    ...nodesOf(drawing),
    '</g>',
    legend.text,
    '</svg>',
    '',
  ]
    .filter((line, index, all) => line !== '' || index === all.length - 1)
    .join('\n')
}

function nameOf({ label }: GraphNode): string {
  return fittingText(label, NAME_FONT, WIDEST_TEXT)
}

function detailOf({ label, stage, planned }: GraphNode): string {
  const details = [...(stage === label ? [] : [stage]), ...(planned === undefined ? [] : [planned.decision])]
  return fittingText(details.join(' · '), DETAIL_FONT, WIDEST_TEXT)
}

function widthOf({ node, above }: Item): number {
  if (node === undefined) return BEND_WIDTH
  const text = Math.max(textWidthPx(nameOf(node), NAME_FONT), textWidthPx(detailOf(node), DETAIL_FONT))
  return Math.ceil(Math.max(NARROWEST_BOX, text + 2 * TEXT_PADDING, PORT_GAP * (above.length + 1)))
}

function heightOf(node: GraphNode): number {
  return BOX_HEIGHTS[detailOf(node) === '' ? 0 : 1]
}

function gapOf(left: Item, right: Item): number {
  return left.node === undefined || right.node === undefined ? LINE_GAP : NODE_GAP
}

/** Where each layer lies: between two of them, room for curves and for the frames that end and begin there. */
function rowsOf(layers: readonly (readonly Item[])[]): {
  readonly tops: readonly number[]
  readonly heights: readonly number[]
  readonly bottom: number
} {
  const spans = groupSpans(layers)
  const tops: number[] = []
  const heights: number[] = []
  let end = MARGIN + TITLE_HEIGHT - CHANNEL_HEIGHT + 8
  for (const [index, layer] of layers.entries()) {
    const begin = [...spans.values()].filter(({ first }) => first === index)
    const ended = [...spans.values()].filter(({ last }) => last === index - 1)
    const depths = (all: readonly { readonly depth: number }[]) => new Set(all.map(({ depth }) => depth)).size
    end += CHANNEL_HEIGHT + FRAME_HEAD * depths(begin) * (index === 0 ? 1 : 0.8) + FRAME_FOOT * depths(ended)
    tops.push(end)
    const height = Math.max(...layer.map(({ node }) => (node === undefined ? 0 : heightOf(node))))
    heights.push(height)
    end += height
  }
  const open = [...spans.values()].filter(({ last }) => last === layers.length - 1)
  return { tops, heights, bottom: end + FRAME_FOOT * Math.max(0, ...open.map(({ depth }) => depth)) }
}

interface Span {
  readonly depth: number
  /** Layers. */
  first: number
  last: number
}

/** Group path -> the layers that its nodes lie in. */
function groupSpans(layers: readonly (readonly Item[])[]): ReadonlyMap<string, Span> {
  const spans = new Map<string, Span>()
  for (const { node, group, layer } of layers.flat()) {
    if (node === undefined) continue
    for (let depth = 1; depth <= group.length; depth++) {
      const path = groupPath(group.slice(0, depth))
      const span = spans.get(path) ?? { depth, first: layer, last: layer }
      span.first = Math.min(span.first, layer)
      span.last = Math.max(span.last, layer)
      spans.set(path, span)
    }
  }
  return spans
}

/** Names go over the edges. */
function framesOf({ layers, coordinates, tops, heights }: Drawing): {
  readonly boxes: readonly string[]
  readonly names: readonly string[]
} {
  const spans = [...groupSpans(layers)].sort(([, one], [, other]) => one.depth - other.depth)
  const deepest = Math.max(0, ...spans.map(([, { depth }]) => depth))
  const [boxes, names]: [string[], string[]] = [[], []]
  for (const [path, { depth, first, last }] of spans) {
    const frame = coordinates.frames.get(path)
    if (frame === undefined) continue
    // Frames around frames keep a distance to what is within.
    const inner = deepest - depth
    const top = tops[first]! - FRAME_HEAD * (1 + 0.8 * inner) + 2
    const bottom = tops[last]! + heights[last]! + FRAME_FOOT * (1 + inner) - 2
    const width = frame.right - frame.left
    const box = `x="${number(frame.left)}" y="${number(top)}" width="${number(width)}" height="${number(bottom - top)}"`
    boxes.push(`<rect class="frame" ${box} rx="10"><title>${xmlText(path)}</title></rect>`)
    const name = xmlText(fittingText(path, DETAIL_FONT, width - 20))
    names.push(`<text class="group" x="${number(frame.left + 10)}" y="${number(top + 16)}">${name}</text>`)
  }
  return { boxes, names }
}

function nodesOf({ layers, coordinates, tops, heights }: Drawing): string[] {
  return layers.flatMap((layer, index) =>
    layer.flatMap((item) => {
      const { node } = item
      if (node === undefined) return []
      const [width, height] = [widthOf(item), heightOf(node)]
      const middle = coordinates.x.get(item)!
      const top = tops[index]! + (heights[index]! - height) / 2
      const detail = detailOf(node)
      const { id, stage, planned } = node
      const what = `${id} (${stage})${planned === undefined ? '' : `\n${planned.decision}: ${planned.reason}`}`
      const left = number(middle - width / 2)
      const centre = number(middle)
      return [
        `<g class="node${planned === undefined ? '' : ` ${planned.decision}`}"><title>${xmlText(what)}</title>`,
        `<rect class="box" x="${left}" y="${number(top)}" width="${width}" height="${height}" rx="8"/>`,
        `<text class="name" x="${centre}" y="${number(top + (detail === '' ? height / 2 + 4.5 : 20.5))}" text-anchor="middle">${xmlText(nameOf(node))}</text>`,
        ...(detail === ''
          ? []
          : [
              `<text class="detail" x="${centre}" y="${number(top + 36.5)}" text-anchor="middle">${xmlText(detail)}</text>`,
            ]),
        '</g>',
      ]
    }),
  )
}

function edgesOf({ graph, layers, coordinates, tops, heights }: Drawing): string[] {
  const titles = new Map(graph.edges.map(({ from, to, ports }) => [`${from}\n${to}`, ports.join(', ')]))
  const titleOf = (from: NodeId, to: NodeId) => `${from} → ${to}: ${titles.get(`${from}\n${to}`) ?? ''}`
  const paths: string[] = []
  for (const item of layers.flat()) {
    const x = coordinates.x.get(item)!
    const [top, height] = [tops[item.layer]!, heights[item.layer]!]
    const below = top + (item.node === undefined ? height : (height + heightOf(item.node)) / 2)
    if (item.node === undefined)
      paths.push(`<path class="edge" d="M${number(x)} ${number(top)} V${number(below)}"/>`)
    for (const target of item.below) {
      const [endX, endY] = endOf(target, item)
      const half = number((endY - below) / 2)
      const curve = `M${number(x)} ${number(below)} c0 ${half} ${number(endX - x)} ${half} ${number(endX - x)} ${number(endY - below)}`
      if (target.node === undefined) paths.push(`<path class="edge" d="${curve}"/>`)
      else {
        const title = xmlText(titleOf(item.source, target.node.id))
        paths.push(`<path class="edge" d="${curve}" marker-end="url(#tip)"><title>${title}</title></path>`)
      }
    }
  }
  return paths

  function endOf(target: Item, from: Item): readonly [number, number] {
    const x = coordinates.x.get(target)!
    const top = tops[target.layer]!
    if (target.node === undefined) return [x, top]
    const order = [...target.above].sort((a, b) => coordinates.x.get(a)! - coordinates.x.get(b)!)
    const place = order.indexOf(from) - (order.length - 1) / 2
    return [x + place * PORT_GAP, top + (heights[target.layer]! - heightOf(target.node)) / 2]
  }
}

function legendOf(graph: FlowGraph, top: number): { readonly text: string; readonly width: number } {
  const decisions = (['run', 'reuse', 'unknown', 'skip'] satisfies PlannedNode['decision'][])
    .map((decision) => ({
      decision,
      count: graph.nodes.filter(({ planned }) => planned?.decision === decision).length,
    }))
    .filter(({ count }) => count > 0)
  let x = MARGIN
  const parts = decisions.map(({ decision, count }) => {
    const label = `${count} ${decision}`
    const part = `<g class="${decision}"><circle class="mark" cx="${number(x + 5)}" cy="${number(top + 20)}" r="4.5"/><text class="detail" x="${number(x + 15)}" y="${number(top + 24)}">${label}</text></g>`
    x += 15 + textWidthPx(label, DETAIL_FONT) + 18
    return part
  })
  return { text: parts.join('\n'), width: x - MARGIN }
}

/** Short, and the same on every machine. */
function number(value: number): string {
  return String(Math.round(value * 10) / 10)
}
