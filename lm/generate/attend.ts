/** @file Attention while decoding: of a tree of tokens to the path above it, and of rows to their caches. */
import { type Attend, attentionInputName } from '../model/attention.ts'
import type { DecoderConfig } from '../model/config.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'

/**
 * @param args `kv<n>` [keyValueHeads, past, headSize], by layer keys and values; `queries` [rows, length], `seen`
 * [rows, keys] and `places` [tokens, 2], see `RowIndices`; by kind `mask.<kind>` [rows, length, keys]
 * @param caught receives the tokens' own keys and values, by layer, [keyValueHeads, tokens, headSize]
 */
export function attendToPath(config: DecoderConfig, args: TensorMap, caught: Tensor[]): Attend {
  const { heads, keyValueHeads, headSize, layerKinds, queryScale } = config
  const groups = heads / keyValueHeads
  return (layer, q, k, v) => {
    const mask = args[attentionInputName('mask', layerKinds[layer]!)]!
    const [rows, length, keys] = mask.shape as [number, number, number]
    caught.push(k, v)
    const byHead = tf.reshape(tf.mul(q, queryScale), [keyValueHeads, groups, -1, headSize])
    const inRows = tf.transpose(tf.gather(byHead, args.queries as tf.Tensor2D, 2), [0, 2, 1, 3, 4])
    const query = tf.reshape(inRows, [keyValueHeads, rows, groups * length, headSize])
    const seen = (past: string, own: Tensor) =>
      tf.gather(tf.concat([args[past]!, own], 1), args.seen as tf.Tensor2D, 1)
    const scores = tf.matMul(query, seen(`kv${2 * layer}`, k), false, true)
    const visible = tf.add(
      tf.reshape(scores, [keyValueHeads, rows, groups, length, keys]),
      tf.expandDims(mask, 1),
    )
    const weights = tf.reshape(tf.softmax(visible), scores.shape)
    const mixed = tf.matMul(weights, seen(`kv${2 * layer + 1}`, v))
    const byPlace = tf.transpose(
      tf.reshape(mixed, [keyValueHeads, rows, groups, length, headSize]),
      [1, 3, 0, 2, 4],
    )
    const byToken = tf.gatherND(byPlace, args.places!)
    return tf.reshape(tf.transpose(byToken, [1, 2, 0, 3]), q.shape)
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
