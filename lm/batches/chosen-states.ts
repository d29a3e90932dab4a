/** @file From a batch of rows to the hidden states at chosen positions. */
import { attentionInputs, maskedAttention } from '../model/attention.ts'
import { type DecoderParameters, hiddenStates } from '../model/decoder.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'

/**
 * Hidden states at the chosen positions, [slots, hiddenSize].
 * @param batch `ids` [rows, length], `rows` [slots] (places among them), the arrays of `attentionArrays`, and, if the
 * embeddings are to be noisy, `noise` [rows * length, hiddenSize]
 */
export function chosenStates(parameters: DecoderParameters, batch: TensorMap): Tensor {
  const [rows, length] = batch.ids!.shape as [number, number]
  const ids = tf.reshape(batch.ids!, [rows * length])
  const inputs = attentionInputs(parameters.config, batch)
  const attend = maskedAttention(parameters.config, rows, length, inputs)
  const hidden = hiddenStates(parameters, ids, rows, length, inputs, attend, batch.noise)
  return tf.gather(hidden, batch.rows as tf.Tensor1D)
}
