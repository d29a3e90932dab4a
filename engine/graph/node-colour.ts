/** @file The colour of a node in a terminal. */
import { type Colour, decisionColours } from '../terminal/paint.ts'
import type { GraphNode } from './flow-graph.ts'

export function nodeColour({ planned }: GraphNode): Colour {
  return planned === undefined ? 'dim' : decisionColours[planned.decision]
}
