/**
 * @file How sequences are laid out as rows of one length: several may share a row, and what they begin with is in it
 * once. A function of the sequences and the settings alone. Of the layouts that there are graphs for, or that are worth
 * a graph, the cheapest is taken.
 */
import { spanCount } from '../model/attention.ts'
import type { DecoderConfig } from '../model/config.ts'
import { type PassShape, passCost } from './cost.ts'
import { type FilledRows, Filling, roundedUp } from './filling.ts'
import { placesOf } from './token-tree.ts'

/** What a graph is compiled for where sizes are open: any length, as many spans of it, and any number of slots. */
export type PassForm = Pick<PassShape, 'rows' | 'querySpans'>

export interface LayoutSettings {
  readonly config: DecoderConfig
  /** Whether sequences of a row share what they begin with. */
  readonly sharing: boolean
  /** Where sizes are open (see `jit`): the forms to choose from, or any. */
  readonly forms?: readonly PassForm[] | 'any' | undefined
  /** Elsewhere: shapes to choose from, where one of them is large enough. */
  readonly shapes?: readonly PassShape[] | undefined
  /** Other shapes: how many sizes there are from a power of two to the next. @default 4 */
  readonly steps?: number
}

export interface RowLayout extends PassShape {
  /** For each sequence, the place of each of its tokens: row * length + column. Several may share one. */
  readonly places: readonly Int32Array[]
  /** Places that hold a token. */
  readonly occupied: number
}

/** A way to lay sequences out. */
export interface Candidate {
  readonly shape: PassShape
  readonly filled: FilledRows
  readonly cost: number
}

/** The shortest row. */
const leastLength = 8
/** Where sizes are open, spans and slots are multiples of it. */
const unit = 8
/** Spans that a row may have. */
const spanCounts = [1, 2, 4]
/** Shorter spans spare too few pairs of tokens to be worth their operators. */
const leastSpan = 64

/**
 * The cheapest layout of sequences in one pass.
 * @param inputs the tokens of each that the model reads
 * @param counted tokens that count as targets in all
 */
export function layOut(
  inputs: readonly (readonly number[])[],
  counted: number,
  settings: LayoutSettings,
): RowLayout {
  const { shape, filled } = candidates(inputs, counted, settings).reduce((best, each) =>
    each.cost < best.cost ? each : best,
  )
  return {
    ...shape,
    places: filled.branches.map(({ row, branch }) =>
      placesOf(branch).map((place) => row * shape.length + place),
    ),
    occupied: filled.trees.reduce((sum, { size }) => sum + size, 0),
  }
}

/** The layouts to choose from; see `layOut`. */
export function candidates(
  inputs: readonly (readonly number[])[],
  counted: number,
  settings: LayoutSettings,
): Candidate[] {
  const sequences = new Filling(inputs, settings.sharing)
  if (settings.forms !== undefined) return openCandidates(sequences, counted, settings.forms, settings.config)
  const chosen = (settings.shapes ?? []).flatMap((shape) => {
    if (shape.length < sequences.longest || shape.slots < counted) return []
    const filled = sequences.rows(shape.length)
    return filled.trees.length <= shape.rows ? [candidate(settings.config, shape, filled)] : []
  })
  return chosen.length > 0 ? chosen : bucketed(sequences, counted, settings)
}

/** In each number of rows, as short as they can be. */
function openCandidates(
  sequences: Filling,
  counted: number,
  forms: readonly PassForm[] | 'any',
  config: DecoderConfig,
): Candidate[] {
  const slots = roundedUp(Math.max(1, counted), unit)
  const offered: Candidate[] = []
  const counts = forms === 'any' ? powersOfTwo(sequences.count) : new Set(forms.map(({ rows }) => rows))
  let least = Number.POSITIVE_INFINITY
  let worse = 0
  for (const rows of counts) {
    const filled = sequences.atMost(rows)
    const needed = Math.max(leastLength, ...filled.trees.map(({ size }) => size))
    const own = spanCounts
      .filter((querySpans) =>
        forms === 'any'
          ? querySpans === 1 || needed >= querySpans * leastSpan
          : forms.some((form) => form.rows === rows && form.querySpans === querySpans),
      )
      .map((querySpans) => {
        const length = querySpans * roundedUp(Math.ceil(needed / querySpans), unit)
        return candidate(config, { rows, length, querySpans, slots }, filled)
      })
    offered.push(...own)
    // More rows cost more and more padding.
    const cost = Math.min(...own.map((each) => each.cost))
    worse = cost > least ? worse + 1 : 0
    least = Math.min(least, cost)
    if (forms === 'any' && worse === 2) break
  }
  return offered
}

/** 1, 2, 4, ... up to `most`. */
function powersOfTwo(most: number): number[] {
  return Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, power) => 2 ** power)
}

/** In few sizes. */
function bucketed(
  sequences: Filling,
  counted: number,
  { config, steps = 4 }: Pick<LayoutSettings, 'config' | 'steps'>,
): Candidate[] {
  const offered: Candidate[] = []
  const longest = Math.max(leastLength, sequences.longest)
  for (let length = bucket(longest, steps); ; length = bucket(length + 1, steps)) {
    const filled = sequences.rows(length)
    const rows = bucket(filled.trees.length, steps / 2)
    const slots = bucketSlots(counted, rows * length, steps)
    offered.push(candidate(config, { rows, length, querySpans: spanCount(length), slots }, filled))
    if (filled.trees.length === 1) return offered
  }
}

function candidate(config: DecoderConfig, shape: PassShape, filled: FilledRows): Candidate {
  return { shape, filled, cost: passCost(config, shape) }
}

/** The next of `steps` sizes from a power of two to the next. */
function bucket(size: number, steps: number): number {
  return roundedUp(size, Math.max(1, 2 ** Math.floor(Math.log2(size)) / steps))
}

/** A whole number of parts of the places. */
function bucketSlots(counted: number, places: number, parts: number): number {
  const part = Math.ceil(places / parts)
  return Math.max(1, Math.ceil(counted / part)) * part
}
