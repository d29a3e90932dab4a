/** @file What passes of some shapes compute anew for their gradients: what takes much memory, and little time. */
import type { DecoderConfig } from '../model/config.ts'
import type { Recompute } from '../model/decoder.ts'
import { attentionBytes, type PassShape, pairsOf, passBytes } from './cost.ts'

/** Numbers in a pass's hidden states: below, what is kept takes little memory, and its graph less time to compile. */
const fewNumbers = 65_536
/** The weights of attention are kept while they are at most so large a share of the rest. */
const attentionShare = 0.6

/** @param shapes of a whole course, so that all its passes are computed alike */
export function recomputation(config: DecoderConfig, shapes: readonly PassShape[]): Recompute {
  const places = Math.max(...shapes.map(({ rows, length }) => rows * length))
  const shares = shapes.map((shape) => {
    const rest = passBytes(config, { tokens: shape.rows * shape.length, labels: shape.slots })
    return attentionBytes(config, pairsOf(shape)) / rest
  })
  return {
    parts: places * config.hiddenSize >= fewNumbers,
    attention: Math.max(...shares) > attentionShare,
  }
}
