import { describe, expect, test } from 'vitest'
import { dotText } from '../../engine/graph/dot.ts'
import { drawBoxes } from '../../engine/graph/draw-boxes.ts'
import { drawTree } from '../../engine/graph/draw-tree.ts'
import type { FlowGraph, GraphNode } from '../../engine/graph/flow-graph.ts'
import { layersOf } from '../../engine/graph/layers.ts'
import { mermaidText } from '../../engine/graph/mermaid.ts'
import { svgText } from '../../engine/graph/svg.ts'
import { textWidthPx } from '../../engine/graph/text-width.ts'
import type { NodeId } from '../../engine/identity.ts'
import { painter } from '../../engine/terminal/paint.ts'
import { seededRandom } from '../seeded-random.ts'

const plain = painter(false)

/** `reads`: node -> what it reads from. Ids with `/` belong to the groups before it. */
function graphOf(
  reads: Readonly<Record<string, readonly string[]>>,
  planned?: GraphNode['planned'],
): FlowGraph {
  const nodes = Object.keys(reads).map((id): GraphNode => {
    const parts = id.split('/')
    const label = parts.at(-1)!
    return {
      id: id as NodeId,
      label,
      stage: label,
      group: parts.slice(0, -1),
      ...(planned === undefined ? {} : { planned }),
    }
  })
  const edges = Object.entries(reads).flatMap(([to, all]) =>
    all.map((from) => ({ from: from as NodeId, to: to as NodeId, ports: ['text'] })),
  )
  return { name: 'drawn', nodes, edges }
}

const diamond = graphOf({ load: [], left: ['load'], right: ['load'], joined: ['left', 'right', 'load'] })

const rounds = graphOf({
  sft: [],
  'rounds/1/judge': ['sft'],
  'rounds/1/dpo': ['rounds/1/judge', 'sft'],
  'rounds/1/score': ['rounds/1/dpo'],
  'rounds/2/judge': ['rounds/1/dpo'],
  'rounds/2/dpo': ['rounds/2/judge', 'rounds/1/dpo'],
  report: ['rounds/1/score', 'rounds/2/dpo'],
})

function randomGraph(seed: number): FlowGraph {
  const random = seededRandom(seed)
  const reads: Record<string, string[]> = {}
  const ids: string[] = []
  for (let index = 0; index < 4 + Math.floor(random() * 20); index++) {
    const group = ['', 'a/', 'b/', 'a/1/'][Math.floor(random() * 4)]!
    const id = `${group}n${index}${'x'.repeat(Math.floor(random() * 8))}`
    reads[id] = ids.filter(() => random() < 2 / (ids.length + 1))
    ids.push(id)
  }
  return graphOf(reads)
}

describe('boxes', () => {
  test('a diamond with an edge that passes by', () => {
    expect(drawBoxes(diamond, 80, plain)).toBe(`\
      ╭──────╮
      │ load │
      ╰──┬───╯
   ╭─────┴────┬──────╮
╭──▼───╮  ╭───▼───╮  │
│ left │  │ right │  │
╰──┬───╯  ╰───┬───╯  │
   ╰───╮ ╭────╯      │
       │ │  ╭────────╯
     ╭─▼─▼──▼─╮
     │ joined │
     ╰────────╯
`)
  })

  test('what would be wider than the terminal is not drawn', () => {
    expect(drawBoxes(diamond, 26, plain)).toBeDefined()
    expect(drawBoxes(diamond, 16, plain)).toBeUndefined()
  })

  test('a plan is told in the boxes, the stage where it has another name', () => {
    const one = graphOf({ load: [] }, { decision: 'run', reason: '' })
    const named = { ...one, nodes: [{ ...one.nodes[0]!, stage: 'read' }] }
    expect(drawBoxes(named, 80, plain)).toBe(`\
╭────────────╮
│    load    │
│ read · run │
╰────────────╯
`)
    expect(drawBoxes(named, 80, painter(true))).toContain('\x1b[33mread · run ')
  })

  test('of any graph: every node once, every edge to its end, within the width', () => {
    let drawn = 0
    for (let seed = 1; seed <= 60; seed++) {
      const graph = randomGraph(seed)
      const text = drawBoxes(graph, 110, plain)
      if (text === undefined) continue
      drawn++
      for (const { id } of graph.nodes)
        expect(text.split(`│ ${id} │`).length + text.split(` ${id} `).length).toBeGreaterThan(2)
      expect([seed, text.match(/▼/g)?.length ?? 0]).toEqual([seed, graph.edges.length])
      for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(110)
      expect(brokenLines(text)).toEqual([])
    }
    expect(drawn).toBeGreaterThan(30)
  })
})

/** Cells whose line leads into a cell that does not take it on. */
function brokenLines(text: string): string[] {
  const rows = text.split('\n').map((row) => [...row])
  const opens = { up: '╵│├╯┤┴┼╰', down: '╷│├╮┤┬┼╭', left: '╴─╮╯┤┬┴┼', right: '╶─╭╰├┬┴┼' }
  const ends = {
    up: `${opens.down}┬`,
    down: `${opens.up}▼`,
    left: `${opens.right}│▼`,
    right: `${opens.left}│▼`,
  }
  const steps = { up: [-1, 0], down: [1, 0], left: [0, -1], right: [0, 1] } as const
  return rows.flatMap((row, y) =>
    row.flatMap((cell, x) =>
      (['up', 'down', 'left', 'right'] as const)
        .filter((way) => opens[way].includes(cell))
        .filter((way) => !ends[way].includes(rows[y + steps[way][0]]?.[x + steps[way][1]] ?? ' '))
        // What crosses another line goes on behind it.
        .filter((way) => !(cell === '│' && (way === 'left' || way === 'right')))
        .map((way) => `${cell} at ${y},${x} leads ${way}`),
    ),
  )
}

describe('the indented list', () => {
  test('each node below the last that it reads from, the others named', () => {
    expect(drawTree(diamond, undefined, plain)).toBe(`\
load
├─ left
└─ right
   └─ joined ← left, right, load
`)
  })

  test('a chain that is longer than the terminal is wide stays readable', () => {
    const chain = Object.fromEntries(
      Array.from({ length: 2000 }, (_, index) => [`n${index}`, index === 0 ? [] : [`n${index - 1}`]]),
    )
    const lines = drawTree(graphOf(chain), 60, plain).trimEnd().split('\n')
    expect(lines).toHaveLength(2000)
    expect(lines.at(-1)).toMatch(/n1999$/)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(60)
  })
})

describe('layers', () => {
  test('a group that follows another begins below all of it', () => {
    const { layerOf, torn } = layersOf(rounds)
    expect(Object.fromEntries(layerOf)).toEqual({
      sft: 0,
      'rounds/1/judge': 1,
      'rounds/1/dpo': 2,
      'rounds/1/score': 3,
      'rounds/2/judge': 4,
      'rounds/2/dpo': 5,
      report: 6,
    })
    expect(torn.size).toBe(0)
  })

  test('a group that is entered again after it was left is no frame', () => {
    const graph = graphOf({ 'a/first': [], between: ['a/first'], 'a/last': ['between'] })
    expect(layersOf(graph).torn).toEqual(new Set(['a']))
    expect(svgText(graph)).not.toContain('class="frame"')
  })

  test('what reads from nothing stands just above its first reader', () => {
    const { layerOf } = layersOf(graphOf({ a: [], b: ['a'], lonely: [], c: ['b', 'lonely'] }))
    expect(layerOf.get('lonely' as NodeId)).toBe(1)
  })
})

const odd = graphOf({ 'g=1,"x"/a.b<&>\'': [], 'c\\d;#`': ['g=1,"x"/a.b<&>\''] })

describe('other formats', () => {
  test('DOT', () => {
    expect(dotText(odd)).toContain(`\
  subgraph "cluster g=1,\\"x\\"" {
    label="g=1,\\"x\\""; style="rounded"; color="#9ca3af"; fontname="Helvetica"; fontsize=10
    "g=1,\\"x\\"/a.b<&>'" [label="a.b<&>'"]
  }
  "g=1,\\"x\\"/a.b<&>'" -> "c\\\\d;#\`" [tooltip="text"]
}
`)
  })

  test('Mermaid', () => {
    expect(mermaidText(odd)).toBe(`\
flowchart TB
  n1["c#92;d#59;#35;#96;"]
  subgraph g0 ["g=1,#34;x#34;"]
    n0["a.b#60;#38;#62;'"]
  end
  n0 --> n1
`)
    expect(mermaidText(graphOf({ a: [], b: ['a'] }, { decision: 'reuse', reason: '' }))).toContain(
      '  class n0,n1 reuse\n',
    )
  })

  test('SVG: escaped, well-formed, and the same each time', () => {
    const text = svgText(odd)
    expect(text).toContain('>a.b&#60;&#38;&#62;&#39;</text>')
    expect(unbalancedTags(text)).toEqual([])
    expect(svgText(odd)).toBe(text)
  })

  test('SVG: boxes do not overlap, texts fit, frames hold their own nodes and no other', () => {
    for (const graph of [
      diamond,
      rounds,
      ...Array.from({ length: 60 }, (_, index) => randomGraph(index + 1000)),
    ]) {
      const text = svgText(graph)
      expect(unbalancedTags(text)).toEqual([])
      const boxes = rectangles(text, 'box')
      expect(boxes).toHaveLength(graph.nodes.length)
      for (const [index, box] of boxes.entries()) {
        for (const other of boxes.slice(index + 1)) expect(overlap(box, other)).toBe(false)
      }
      const names = [...text.matchAll(/class="name" x="([\d.]+)"[^>]*>([^<]*)</g)]
      for (const [, middle, name] of names) {
        const box = boxes.find(({ x, width }) => Math.abs(x + width / 2 - Number(middle)) < 0.2)
        expect(box?.width).toBeGreaterThan(textWidthPx(name!, 13))
      }
    }
    const frames = rectangles(svgText(rounds), 'frame')
    const inside = frames.map(
      (frame) => rectangles(svgText(rounds), 'box').filter((box) => contains(frame, box)).length,
    )
    const touched = frames.map(
      (frame) => rectangles(svgText(rounds), 'box').filter((box) => overlap(frame, box)).length,
    )
    expect(inside).toEqual([5, 3, 2])
    expect(touched).toEqual(inside)
  })
})

interface Rectangle {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

function rectangles(svg: string, kind: string): Rectangle[] {
  const shape = new RegExp(
    `<rect class="${kind}" x="([-\\d.]+)" y="([-\\d.]+)" width="([\\d.]+)" height="([\\d.]+)"`,
    'g',
  )
  return [...svg.matchAll(shape)].map(([, ...sizes]) => {
    const [x, y, width, height] = sizes.map(Number) as [number, number, number, number]
    return { x, y, width, height }
  })
}

function overlap(one: Rectangle, other: Rectangle): boolean {
  const apart =
    one.x + one.width < other.x ||
    other.x + other.width < one.x ||
    one.y + one.height < other.y ||
    other.y + other.height < one.y
  return !apart
}

function contains(outer: Rectangle, inner: Rectangle): boolean {
  return (
    outer.x < inner.x &&
    outer.y < inner.y &&
    outer.x + outer.width > inner.x + inner.width &&
    outer.y + outer.height > inner.y + inner.height
  )
}

/** Tags that are closed without having been opened, or the reverse; and text that is no markup. */
function unbalancedTags(xml: string): string[] {
  const open: string[] = []
  const wrong: string[] = []
  for (const [tag, slash, name, , selfClosing] of xml.matchAll(
    /<(\/?)([a-z]+)((?:\s[^<>]*?)?)(\/?)>|[<]|&(?!#\d+;)/g,
  )) {
    if (name === undefined) wrong.push(tag)
    else if (slash === '/') {
      if (open.pop() !== name) wrong.push(tag)
    } else if (selfClosing !== '/') open.push(name)
  }
  return [...wrong, ...open]
}
