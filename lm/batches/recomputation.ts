/** @file What passes of some shapes compute anew for their gradients: what takes much memory, and little time. */
import type { DecoderConfig } from '../model/config.ts'
import type { Recompute } from '../model/decoder.ts'
import type { PassShape } from './cost.ts'

/** Numbers in a pass's hidden states: below, what is kept takes little memory, and its graph less time to compile. */
const fewNumbers = 65_536
/** Keys to a number of a head: up to so many, the weights of attention are few beside the queries. */
const fewKeys = 4

/** @param shapes of a whole course, so that all its passes are computed alike */
export function recomputation(
  { hiddenSize, headSize }: DecoderConfig,
  shapes: readonly Pick<PassShape, 'rows' | 'length'>[],
): Recompute {
  const places = Math.max(...shapes.map(({ rows, length }) => rows * length))
  const length = Math.max(...shapes.map((shape) => shape.length))
  return { parts: places * hiddenSize >= fewNumbers, attention: length > fewKeys * headSize }
}
