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
const softmaxOperations = { attention: 1600, vocabulary: 1500 }
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
  const pairs = pairsOf({ rows, length, querySpans })
  return (
    (tokensAPass + rows * length) * aToken +
    pairs * aPair +
    slots * aSlot +
    querySpans * layers * operationsASpan
  )
}

/** What it costs to trace a pass and compile it, whatever its shape; a graph of open sizes takes longer. */
export function compileCost({ layers }: DecoderConfig, isOpen: boolean): number {
  return layers * (isOpen ? 14e9 : 5e9)
}

/** Pairs of a query and a key that attention computes: each span sees the places up to its own end. */
export function pairsOf({ rows, length, querySpans }: Omit<PassShape, 'slots'>): number {
  return (rows * length ** 2 * (querySpans + 1)) / (2 * querySpans)
}

/**
 * Bytes that a pass holds until its gradient is known: of each token what its layers compute and do not compute anew, of
 * each label two arrays over the vocabulary.
 */
export function passBytes(
  { layers, hiddenSize, intermediateSize, vocabularySize }: DecoderConfig,
  { tokens, labels }: { readonly tokens: number; readonly labels: number },
): number {
  return 4 * (tokens * layers * (7 * hiddenSize + 2 * intermediateSize) + labels * 2 * vocabularySize)
}

/** Bytes of the weights of attention, if they are held, too. */
export function attentionBytes({ layers, heads }: DecoderConfig, pairs: number): number {
  return 4 * layers * heads * pairs
}
