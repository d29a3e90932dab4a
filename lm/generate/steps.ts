/** @file The two compiled functions of decoding: prefill of whole prompts, and one token for each row. */

import { causalArrays } from '../batches/causal-arrays.ts'
import {
  type Attend,
  type AttentionInputsByKind,
  attentionInputName,
  attentionInputs,
  maskedAttention,
} from '../model/attention.ts'
import { attentionKinds, type DecoderConfig } from '../model/config.ts'
import { type DecoderParameters, hiddenStates, logits } from '../model/decoder.ts'
import { rotaryTable } from '../model/rotary.ts'
import { type HostBatch, upload } from '../tensor/host-tensor.ts'
import { type Jitted, jit } from '../tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import type { KeyValueCache } from './cache.ts'

export class DecodingSteps {
  readonly #parameters: DecoderParameters
  readonly #compiled = new Map<string, Jitted<TensorMap, TensorMap>>()

  constructor(parameters: DecoderParameters) {
    this.#parameters = parameters
  }

  /**
   * Runs prompts padded on the right to `length` and fills the cache.
   * @returns scores of each row's next token, [rows * vocabulary]
   */
  prefill(prompts: readonly (readonly number[])[], length: number, cache: KeyValueCache): Float32Array {
    const { config } = this.#parameters
    const rows = prompts.length
    const ids = new Int32Array(rows * length)
    prompts.forEach((prompt, row) => {
      ids.set(prompt, row * length)
    })
    const last = Int32Array.from(prompts, (prompt, row) => row * length + prompt.length - 1)
    const run = this.#compile(`prefill ${rows} ${length}`, ({ ids, last, ...rest }) => {
      const caught: Tensor[] = []
      const inputs = attentionInputs(config, rest)
      const causal = maskedAttention(config, rows, length, inputs)
      const attend: Attend = (layer, q, k, v) => {
        caught[2 * layer] = k
        caught[2 * layer + 1] = v
        return causal(layer, q, k, v)
      }
      const hidden = hiddenStates(this.#parameters, ids!, rows, length, inputs, attend)
      const scores = logits(this.#parameters, tf.gather(hidden, last as tf.Tensor1D))
      return {
        scores,
        ...Object.fromEntries(caught.map((tensor, index) => [`kv${index}`, tensor])),
      } as TensorMap
    })
    const inputs = upload({
      ids: { shape: [ids.length], data: ids },
      last: { shape: [rows], data: last },
      ...causalArrays(config, length),
    })
    const results = run(inputs)
    const arrays = cache.arrays.map((_, index) => results[`kv${index}`]!.dataSync() as Float32Array)
    const lengths = prompts.map((prompt) => prompt.length)
    cache.fill(arrays, length, lengths)
    const scores = results.scores!.dataSync() as Float32Array
    tf.dispose([...Object.values(inputs), ...Object.values(results)])
    return scores
  }

  /**
   * Appends one token to each row of the cache.
   * @param ids the tokens, one a row
   * @returns scores of each row's next token, [rows * vocabulary]
   */
  decode(ids: Int32Array, cache: KeyValueCache): Float32Array {
    const { config } = this.#parameters
    const { rows, capacity } = cache
    const run = this.#compile(`decode ${rows} ${capacity}`, ({ ids, ...rest }) => {
      const added: Tensor[] = []
      const inputs = attentionInputs(config, rest)
      const attend = this.#attendToCache(rest, inputs, rows, capacity, added)
      const hidden = hiddenStates(this.#parameters, ids!, rows, 1, inputs, attend)
      return { scores: logits(this.#parameters, hidden), added: tf.stack(added) } as TensorMap
    })
    const inputs = upload({
      ids: { shape: [rows], data: ids },
      ...this.#attentionArrays(config, cache),
      ...this.#storedArrays(config, cache),
    })
    const results = run(inputs)
    cache.append(results.added!.dataSync() as Float32Array)
    const scores = results.scores!.dataSync() as Float32Array
    tf.dispose([...Object.values(inputs), ...Object.values(results)])
    return scores
  }

  /** Graphs compiled so far. */
  get traces(): number {
    return [...this.#compiled.values()].reduce((sum, { traces }) => sum + traces, 0)
  }

  dispose(): void {
    for (const run of this.#compiled.values()) run.dispose()
    this.#compiled.clear()
  }

  /** Positions of the rows' next tokens, and the cached keys that each sees. */
  #attentionArrays(config: DecoderConfig, { rows, capacity, lengths, masks }: KeyValueCache): HostBatch {
    const half = config.headSize / 2
    const arrays: HostBatch = {}
    for (const kind of attentionKinds(config)) {
      const { cos, sin } = rotaryTable(config, kind, lengths)
      arrays[attentionInputName('cos', kind)] = { shape: [rows, 1, 1, half], data: cos }
      arrays[attentionInputName('sin', kind)] = { shape: [rows, 1, 1, half], data: sin }
      arrays[attentionInputName('mask', kind)] = { shape: [rows, 1, capacity], data: masks[kind] }
    }
    return arrays
  }

  #storedArrays({ keyValueHeads, headSize }: DecoderConfig, cache: KeyValueCache) {
    const shape = [cache.rows * keyValueHeads, cache.capacity, headSize]
    return Object.fromEntries(cache.arrays.map((data, index) => [`kv${index}`, { shape, data }]))
  }

  /** Each query sees the cached keys that its row's mask opens, and its own. */
  #attendToCache(
    stored: TensorMap,
    inputs: AttentionInputsByKind,
    rows: number,
    capacity: number,
    added: Tensor[],
  ): Attend {
    const { layerKinds, heads, keyValueHeads, headSize, queryScale } = this.#parameters.config
    const groups = heads / keyValueHeads
    return (layer, q, k, v) => {
      const { mask } = inputs[layerKinds[layer]!]!
      added.push(tf.squeeze(k, [1]), tf.squeeze(v, [1]))
      const query = tf.mul(q, queryScale)
      const past = tf.matMul(query, stored[`kv${2 * layer}`]!, false, true)
      const visible = tf.reshape(tf.add(tf.reshape(past, [rows, heads, capacity]), mask), past.shape)
      const own = tf.matMul(query, k, false, true)
      const weights = tf.softmax(tf.concat([visible, own], -1))
      const [onPast, onOwn] = tf.split(weights, [capacity, 1], -1) as [Tensor, Tensor]
      const result = tf.add(tf.matMul(onPast, stored[`kv${2 * layer + 1}`]!), tf.matMul(onOwn, v))
      return tf.reshape(result, [rows * keyValueHeads, groups, headSize])
    }
  }

  #compile(key: string, fn: (args: TensorMap) => TensorMap): Jitted<TensorMap, TensorMap> {
    const known = this.#compiled.get(key) ?? jit(fn, { name: key.split(' ')[0]! })
    this.#compiled.set(key, known)
    return known
  }
}
