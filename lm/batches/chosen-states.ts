/** @file From a batch of rows to the hidden states at chosen positions. */
import { attentionInputs, maskedAttention } from '../model/attention.ts'
import { type DecoderParameters, hiddenStates } from '../model/decoder.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'

/**
 * Hidden states at the chosen positions, [slots, hiddenSize].
 * @param batch `ids` [rows, spans, span], whose product is the number of places, `rows` [slots] (places among them), the
 * arrays of `attentionArrays`, and, if the embeddings are to be noisy, `noise` [rows, spans, span, hiddenSize]
 */
export function chosenStates(parameters: DecoderParameters, batch: TensorMap): Tensor {
  const { config, recompute } = parameters
  const [rows, spans, span] = batch.ids!.shape as [number, number, number]
  const length = spans * span
  const flat = [rows * length, config.hiddenSize]
  const inputs = attentionInputs(config, batch)
  const attend = maskedAttention(config, { rows, spans, span }, inputs, !recompute?.attention)
  const ids = tf.reshape(batch.ids!, [rows * length])
  const noise = batch.noise && tf.reshape(batch.noise, flat)
  const hidden = hiddenStates(parameters, ids, rows, length, inputs, attend, noise)
  return tf.gather(hidden, batch.rows as tf.Tensor1D)
}
