/**
 * @file What a pass over a batch costs, forwards and backwards through frozen weights, as far as its shape decides.
 * Counted in floating-point operations of matrix products; the other factors were measured beside those.
 */
import type { DecoderConfig } from '../model/config.ts'
import { projectionShape, projections } from '../model/layout.ts'

export interface PassShape {
  readonly rows: number
  readonly length: number
  /** Parts of a row whose queries attend together; they divide the length. */
  readonly querySpans: number
  /** Positions whose next token is scored. */
  readonly slots: number
}

/** Reading all weights once more costs about as much as so many tokens. */
const tokensAPass = 50
/** What softmax and mask cost by head and pair of tokens, and by vocabulary score. */
const softmaxOperations = { attention: 900, vocabulary: 1500 }
/** What a layer's further span costs, however short. */
const operationsASpan = 4e7

export function passCost(config: DecoderConfig, { rows, length, querySpans, slots }: PassShape): number {
  const { layers, heads, headSize, hiddenSize, vocabularySize } = config
  const weights = projections.reduce((sum, projection) => {
    const [outputs, inputs] = projectionShape(config, projection)
    return sum + outputs * inputs
  }, 0)
  const aToken = 4 * layers * weights
  const aPair = layers * heads * (12 * headSize + softmaxOperations.attention)
  const aSlot = vocabularySize * (4 * hiddenSize + softmaxOperations.vocabulary)
  // Each span sees the places up to its own end.
  const pairs = (rows * length ** 2 * (querySpans + 1)) / (2 * querySpans)
  return (
    (tokensAPass + rows * length) * aToken +
    pairs * aPair +
    slots * aSlot +
    querySpans * layers * operationsASpan
  )
}

/** What it costs to trace a pass and compile it, whatever its shape. */
export function compileCost({ layers }: DecoderConfig): number {
  return layers * 8e9
}

/** Bytes that a pass holds of each token until its gradient is known: activations, and scores where it is labelled. */
export function bytesAToken({ layers, hiddenSize, intermediateSize, vocabularySize }: DecoderConfig): number {
  return 4 * (layers * (10 * hiddenSize + 4 * intermediateSize) + 3 * vocabularySize)
}
