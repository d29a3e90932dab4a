/**
 * @file Attention within a batch of rows, and what it reads besides queries, keys and values: positions as rotations,
 * and which token sees which, as masks. A model has one pair of them for each of its kinds of attention.
 */
import { differentiable } from '../tensor/differentiable.ts'
import { after } from '../tensor/recomputed.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import { type AttentionKind, attentionKinds, type DecoderConfig } from './config.ts'

export interface AttentionInputs {
  /** Rotary tables, [batch or 1, length, 1, headSize / 2]. */
  readonly cos: Tensor
  readonly sin: Tensor
  /** [batch or 1, queries, keys]: 0 where the query may see the key, `masked` elsewhere. */
  readonly mask: Tensor
}

export type AttentionInputsByKind = Readonly<Partial<Record<AttentionKind, AttentionInputs>>>

/**
 * Attention of one layer.
 * q [batch * keyValueHeads, groups * length, headSize], with the query heads of one key head side by side;
 * k, v [batch * keyValueHeads, length, headSize]. Returns the shape of q.
 */
export type Attend = (layer: number, q: Tensor, k: Tensor, v: Tensor) => Tensor

/** Name of one input among a compiled function's arguments: `mask.full`. */
export function attentionInputName(input: keyof AttentionInputs, kind: AttentionKind): string {
  return `${input}.${kind}`
}

/** The inputs among a compiled function's arguments. */
export function attentionInputs(config: DecoderConfig, args: TensorMap): AttentionInputsByKind {
  const input = (name: keyof AttentionInputs, kind: AttentionKind) => args[attentionInputName(name, kind)]!
  return Object.fromEntries(
    attentionKinds(config).map((kind) => [
      kind,
      { cos: input('cos', kind), sin: input('sin', kind), mask: input('mask', kind) },
    ]),
  )
}

/** Attention of each row's tokens among themselves, as the masks allow. No mask lets a token see a later place. */
export function maskedAttention(
  config: DecoderConfig,
  batch: number,
  length: number,
  inputs: AttentionInputsByKind,
): Attend {
  const { heads, keyValueHeads, queryScale } = config
  const groups = heads / keyValueHeads
  const spans = querySpans(length)
  return (layer, q, k, v) => {
    const { mask } = inputs[config.layerKinds[layer]!]!
    const size = q.shape[2]!
    /** Those of a span of places, of [batch * keyValueHeads, groups * length, size]. */
    const queriesOf = ([start, end]: Span) => {
      const byPlace = tf.reshape(q, [batch * keyValueHeads, groups, length, size])
      const chosen = tf.slice(byPlace, [0, 0, start, 0], [-1, -1, end - start, -1])
      return tf.reshape(chosen, [batch * keyValueHeads, groups * (end - start), size])
    }
    const mixed = spans.map((span) => {
      const [start, end] = span
      const seen = (x: Tensor) => (end === length ? x : tf.slice(x, [0, 0, 0], [-1, end, -1]))
      /** [batch * keyValueHeads, groups * (end - start), end], from scaled queries */
      const weigh = (query: Tensor, key: Tensor) => {
        const scores = tf.matMul(query, key, false, true)
        const byHead = tf.reshape(scores, [batch, heads, end - start, end])
        const visible = tf.slice(mask, [0, start, 0], [-1, end - start, end])
        return tf.reshape(tf.softmax(tf.add(byHead, tf.expandDims(visible, 1))), scores.shape)
      }
      const queries = spans.length === 1 ? q : queriesOf(span)
      return attention(queries, seen(k), seen(v), queryScale, weigh)
    })
    if (mixed.length === 1) return mixed[0]!
    const byPlace = mixed.map((part, index) => {
      const [start, end] = spans[index]!
      return tf.reshape(part, [batch * keyValueHeads, groups, end - start, size])
    })
    return tf.reshape(tf.concat(byPlace, 2), q.shape)
  }
}

/** Places from the first to before the last. */
type Span = readonly [start: number, end: number]

/**
 * Spans of queries that are taken together. A query sees no key beyond its span's end, so that the upper half of long
 * rows' scores is for the most part not computed.
 */
function querySpans(length: number): Span[] {
  const count = Math.min(4, Math.ceil(length / 256))
  const size = Math.ceil(length / count)
  return Array.from({ length: count }, (_, index) => [index * size, Math.min(length, (index + 1) * size)])
}

/** Weights are kept for the gradient while they are few beside the queries; else they are computed anew. */
function keepsWeights(q: Tensor, k: Tensor): boolean {
  return k.shape[1]! <= 4 * q.shape[2]!
}

/** The values v that each query's weights mix: softmax(scale * q k') v. */
function attention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scale: number,
  weigh: (query: Tensor, key: Tensor) => Tensor,
): Tensor {
  return differentiable(
    { q, k, v },
    (save) => {
      const query = tf.mul(q, scale)
      const weights = weigh(query, k)
      const mixed = tf.matMul(weights, v)
      save([query, k, v, mixed, ...(keepsWeights(q, k) ? [weights] : [])])
      return mixed
    },
    (dy, saved) => {
      const [query, k, v, mixed, kept] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor | undefined]
      const weights = kept ?? weigh(after(dy, query), k)
      // The softmax's own gradient needs sum_j weights_j * dWeights_j, which is dy . mixed.
      const along = tf.sum(tf.mul(dy, mixed), -1, true)
      const dScores = tf.mul(weights, tf.sub(tf.matMul(dy, v, false, true), along))
      return {
        q: () => tf.mul(tf.matMul(dScores, k), scale),
        k: () => tf.matMul(dScores, query, true),
        v: () => tf.matMul(weights, dy, true),
      }
    },
  )
}

/** What a masked score is raised by: far below any score, and finite. */
export const masked = -1e9
