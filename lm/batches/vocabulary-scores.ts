/** @file From a batch of rows to the scores of what follows at chosen positions. */
import { attentionInputs, maskedAttention } from '../model/attention.ts'
import { type DecoderParameters, hiddenStates, logits } from '../model/decoder.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'

/**
 * Scores of what follows at the chosen positions, [slots, vocabulary].
 * @param batch `ids` [sequences * length], `rows` [slots] (positions in it), the arrays of `causalArrays`, and, if
 * the embeddings are to be noisy, `noise` [sequences * length, hiddenSize]
 * @param sequences rows in the batch
 */
export function vocabularyScores(parameters: DecoderParameters, batch: TensorMap, sequences: number): Tensor {
  return logits(parameters, chosenStates(parameters, batch, sequences))
}

/** Hidden states at the chosen positions, [slots, hiddenSize]. */
export function chosenStates(parameters: DecoderParameters, batch: TensorMap, sequences: number): Tensor {
  const length = batch.ids!.size / sequences
  const inputs = attentionInputs(parameters.config, batch)
  const attend = maskedAttention(parameters.config, sequences, length, inputs)
  const hidden = hiddenStates(parameters, batch.ids!, sequences, length, inputs, attend, batch.noise)
  return tf.gather(hidden, batch.rows as tf.Tensor1D)
}
