/** @file Attention while decoding: of a tree of tokens to the path above it, and of rows to their caches. */
import type { Attend } from '../model/attention.ts'
import { type AttentionKind, attentionKinds, type DecoderConfig } from '../model/config.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'

/**
 * @param args `kv<n>` [keyValueHeads, past, headSize], by layer keys and values; by kind `past.<kind>` [tokens, past]
 * and `own.<kind>` [tokens, tokens]
 * @param caught receives the tokens' own keys and values, by layer, [keyValueHeads, tokens, headSize]
 */
export function attendToPath(config: DecoderConfig, args: TensorMap, caught: Tensor[]): Attend {
  const { heads, layerKinds, queryScale } = config
  const masks = byKind(config, (kind) => tf.concat([args[`past.${kind}`]!, args[`own.${kind}`]!], -1))
  return (layer, q, k, v) => {
    const mask = masks[layerKinds[layer]!]!
    caught.push(k, v)
    const keys = tf.concat([args[`kv${2 * layer}`]!, k], 1)
    const scores = tf.matMul(tf.mul(q, queryScale), keys, false, true)
    const visible = tf.add(tf.reshape(scores, [heads, ...mask.shape]), mask)
    const weights = tf.reshape(tf.softmax(visible), scores.shape)
    return tf.matMul(weights, tf.concat([args[`kv${2 * layer + 1}`]!, v], 1))
  }
}

/**
 * @param args `kv<n>` [rows, keyValueHeads, capacity, headSize], by layer keys and values; by kind `past.<kind>`
 * [rows, 1, 1, capacity]; where all rows see something before their own, `shared<n>` [keyValueHeads, shared, headSize],
 * and `shared.sliding` [rows, 1, 1, shared]
 * @param added receives the rows' new keys and values, by layer, [rows * keyValueHeads, headSize]
 */
export function attendToCache(config: DecoderConfig, args: TensorMap, added: Tensor[]): Attend {
  const { heads, keyValueHeads, headSize, layerKinds, queryScale } = config
  const groups = heads / keyValueHeads
  return (layer, q, k, v) => {
    const kind = layerKinds[layer]!
    const [keys, values] = [args[`kv${2 * layer}`]!, args[`kv${2 * layer + 1}`]!]
    const [rows, , capacity] = keys.shape as [number, number, number]
    const byRow = (x: Tensor) => tf.reshape(x, [rows, keyValueHeads, -1, headSize])
    added.push(tf.squeeze(k, [1]), tf.squeeze(v, [1]))
    const query = byRow(tf.mul(q, queryScale))
    const own = tf.matMul(query, byRow(k), false, true)
    const past = tf.add(tf.matMul(query, keys, false, true), args[`past.${kind}`]!)
    const before = args[`shared${2 * layer}`]
    if (before === undefined) {
      const weights = tf.softmax(tf.concat([past, own], -1))
      const [onPast, onOwn] = tf.split(weights, [capacity, 1], -1) as [Tensor, Tensor]
      return tf.reshape(tf.add(tf.matMul(onPast, values), tf.mul(onOwn, byRow(v))), q.shape)
    }
    // What is shared is read once for all rows: [keyValueHeads, rows * groups, ...]
    const shared = before.shape[1]!
    const together = (x: Tensor) =>
      tf.reshape(tf.transpose(x, [1, 0, 2, 3]), [keyValueHeads, rows * groups, x.shape[3]!])
    const apart = (x: Tensor) =>
      tf.transpose(tf.reshape(x, [keyValueHeads, rows, groups, x.shape[2]!]), [1, 0, 2, 3])
    const visible = apart(tf.matMul(together(query), before, false, true))
    const mask = kind === 'sliding' ? args['shared.sliding'] : undefined
    const scores = [mask === undefined ? visible : tf.add(visible, mask), past, own]
    const weights = tf.softmax(tf.concat(scores, -1))
    const [onShared, onPast, onOwn] = tf.split(weights, [shared, capacity, 1], -1) as [Tensor, Tensor, Tensor]
    const ofShared = apart(tf.matMul(together(onShared), args[`shared${2 * layer + 1}`]!))
    return tf.reshape(tf.addN([ofShared, tf.matMul(onPast, values), tf.mul(onOwn, byRow(v))]), q.shape)
  }
}

function byKind(
  config: DecoderConfig,
  make: (kind: AttentionKind) => Tensor,
): Readonly<Partial<Record<AttentionKind, Tensor>>> {
  return Object.fromEntries(attentionKinds(config).map((kind) => [kind, make(kind)]))
}
