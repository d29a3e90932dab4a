/** @file Sizes of a batch that may be others at the next call of a compiled function; see `jit`. */
import type { HostTensor } from '../tensor/host-tensor.ts'
import type { PassShape } from './cost.ts'

type Data = HostTensor['data']

/** Something for each place of the rows: [rows, spans of queries, span, ...rest]. */
export function ofPlaces(
  { rows, length, querySpans }: Pick<PassShape, 'rows' | 'length' | 'querySpans'>,
  data: Data,
  rest: readonly number[] = [],
): HostTensor {
  const shape = [rows, querySpans, length / querySpans, ...rest]
  return { shape, openSizes: shape.map((_, axis) => (axis === 2 ? 'span' : null)), data }
}

/** A number for each slot, or one a slot for each sequence: [slots] or [sequences, slots]. */
export function ofSlots(data: Data, sequences?: number): HostTensor {
  return sequences === undefined
    ? { shape: [data.length], openSizes: ['slots'], data }
    : { shape: [sequences, data.length / sequences], openSizes: [null, 'slots'], data }
}
