/**
 * @file Attention within a batch of rows, and what it reads besides queries, keys and values: positions as rotations,
 * and which token sees which, as masks. A model has one pair of them for each of its kinds of attention.
 */
import { differentiable } from '../tensor/differentiable.ts'
import { after } from '../tensor/recomputed.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import { type AttentionKind, attentionKinds, type DecoderConfig } from './config.ts'

export interface AttentionInputs {
  /** Rotary tables, [rows or 1, ...places, headSize / 2]. */
  readonly cos: Tensor
  readonly sin: Tensor
  /** [rows or 1, ...queries, ...keys]: 0 where the query may see the key, `masked` elsewhere. */
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

/** Rows are whole numbers of spans: queries of a span are taken together. */
export interface RowSpans {
  readonly rows: number
  /** Spans of a row. */
  readonly spans: number
  /** Tokens of a span. */
  readonly span: number
}

/** Tokens to a span at most, and spans to a row. */
const limits = { span: 256, spans: 4 }

/**
 * Into how many spans of queries to divide a row. A query sees no key beyond its span's end, so that the upper half of
 * long rows' scores is for the most part not computed.
 */
export function spanCount(length: number): number {
  let spans = 1
  while (spans < limits.spans && length > spans * limits.span) spans *= 2
  return spans
}

/**
 * Attention of each row's tokens among themselves, as the masks allow: softmax(scale * q k') v. No mask lets a token see
 * a later place.
 * @param keepWeights whether the weights are kept for the gradient, or computed anew
 */
export function maskedAttention(
  { heads, keyValueHeads, headSize, queryScale, layerKinds }: DecoderConfig,
  { rows, spans, span }: RowSpans,
  inputs: AttentionInputsByKind,
  keepWeights: boolean,
): Attend {
  const groups = heads / keyValueHeads
  const sequences = rows * keyValueHeads
  const ends = Array.from({ length: spans }, (_, index) => (index + 1) * span)
  /** By span, from [sequences, groups * spans * span, ...]. */
  const apart = (x: Tensor) => {
    if (spans === 1) return [x]
    const size = x.shape[2]!
    return tf
      .split(tf.reshape(x, [sequences, groups, spans * span, size]), spans, 2)
      .map((part) => tf.reshape(part, [sequences, groups * span, size]))
  }
  const together = (parts: readonly Tensor[]) => {
    if (spans === 1) return parts[0]!
    const byPlace = parts.map((part) => tf.reshape(part, [sequences, groups, span, headSize]))
    return tf.reshape(tf.concat(byPlace, 2), [sequences, groups * spans * span, headSize])
  }
  /** The keys or values that a span sees. */
  const seen = (x: Tensor, index: number) =>
    index === spans - 1 ? x : tf.slice(x, [0, 0, 0], [sequences, ends[index]!, headSize])
  /** The sum of what the spans add to the keys that they see. */
  const summed = (parts: readonly Tensor[]) =>
    parts.reduceRight((sum, part, index) => {
      const end = ends[index]!
      const own = tf.slice(sum, [0, 0, 0], [sequences, end, headSize])
      const rest = tf.slice(sum, [0, end, 0], [sequences, (spans - 1 - index) * span, headSize])
      return tf.concat([tf.add(own, part), rest], 1)
    })

  /** [sequences, groups * span, end], from scaled queries */
  const weigh = (query: Tensor, keys: Tensor, mask: Tensor, index: number) => {
    const end = ends[index]!
    const scores = tf.matMul(query, keys, false, true)
    const byHead = tf.reshape(scores, [rows, heads, span, end])
    const byRow = tf.reshape(mask, [mask.shape[0]!, spans * span, spans * span])
    const visible = tf.slice(byRow, [0, index * span, 0], [mask.shape[0]!, span, end])
    return tf.reshape(tf.softmax(tf.add(byHead, tf.expandDims(visible, 1))), scores.shape)
  }

  return (layer, q, k, v) => {
    const { mask } = inputs[layerKinds[layer]!]!
    return differentiable(
      { q, k, v },
      (save) => {
        const query = tf.mul(q, queryScale)
        const weights = apart(query).map((part, index) => weigh(part, seen(k, index), mask, index))
        const mixed = together(weights.map((each, index) => tf.matMul(each, seen(v, index))))
        save([query, k, v, mask, mixed, ...(keepWeights ? weights : [])])
        return mixed
      },
      (dy, saved) => {
        const [query, k, v, mask, mixed, ...kept] = saved as [
          Tensor,
          Tensor,
          Tensor,
          Tensor,
          Tensor,
          ...Tensor[],
        ]
        // The softmax's own gradient needs sum_j weights_j * dWeights_j, which is dy . mixed.
        const along = apart(tf.sum(tf.mul(dy, mixed), -1, true))
        const queries = apart(keepWeights ? query : after(dy, query))
        const parts = apart(dy).map((dy, index) => {
          const [query, keys, values] = [queries[index]!, seen(k, index), seen(v, index)]
          const weights = kept[index] ?? weigh(query, keys, mask, index)
          const dWeights = tf.matMul(dy, values, false, true)
          const dScores = tf.mul(weights, tf.sub(dWeights, along[index]!))
          return {
            q: tf.matMul(dScores, keys),
            k: tf.matMul(dScores, query, true),
            v: tf.matMul(weights, dy, true),
          }
        })
        return {
          q: () => tf.mul(together(parts.map(({ q }) => q)), queryScale),
          k: () => summed(parts.map(({ k }) => k)),
          v: () => summed(parts.map(({ v }) => v)),
        }
      },
    )
  }
}

/** What a masked score is raised by: far below any score, and finite. */
export const masked = -1e9
