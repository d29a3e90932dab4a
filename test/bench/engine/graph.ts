/** @file Graphs of a shape and a size: the same for every engine that is measured. */

export const shapes = ['chain', 'fan', 'layers', 'diamond'] as const
export type Shape = (typeof shapes)[number]

export interface Task {
  readonly name: string
  /** Names of the tasks whose outputs it reads; none: the first, which reads the user's file. */
  readonly needs: readonly string[]
}

export interface Graph {
  readonly shape: Shape
  /** In topological order; the first reads the user's file. */
  readonly tasks: readonly Task[]
}

/** `size`: how many tasks, at least 4. */
export function graphOf(shape: Shape, size: number): Graph {
  const name = (index: number) => `n${index}`
  const needsOf = needs[shape]
  const tasks = Array.from({ length: size }, (_, index) => ({
    name: name(index),
    needs: index === 0 ? [] : needsOf(index, size).map(name),
  }))
  return { shape, tasks }
}

/** Which tasks the one at `index` (from 1) reads from. */
const needs: Readonly<Record<Shape, (index: number, size: number) => readonly number[]>> = {
  chain: (index) => [index - 1],
  /** One, all but two beside each other, and one that reads them all. */
  fan: (index, size) => (index < size - 1 ? [0] : Array.from({ length: size - 2 }, (_, at) => at + 1)),
  /** As many layers as a layer has tasks; each reads from two of the layer before. */
  layers: (index, size) => {
    const width = Math.max(2, Math.floor(Math.sqrt(size)))
    const layer = Math.floor((index - 1) / width)
    if (layer === 0) return [0]
    const place = (index - 1) % width
    const before = 1 + (layer - 1) * width
    return [before + place, before + ((place + 1) % width)]
  },
  /** One, two beside each other, one that reads both, and so on. */
  diamond: (index) => {
    const place = index % 3
    if (place === 0) return [index - 2, index - 1]
    return [index - place]
  },
}
