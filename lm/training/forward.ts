/** @file From a token batch to the log-probabilities of its labels. */
import { chosenStates } from '../batches/vocabulary-scores.ts'
import { type DecoderParameters, outputMatrix } from '../model/decoder.ts'
import type { TensorMap } from '../tensor/tf.ts'
import { type LabelScores, labelScores } from './token-scores.ts'

/**
 * @param batch the arrays of `tokenBatch` and `causalArrays`
 * @param sequences rows in the batch
 * @param temperature divides the scores, as it did when the tokens were sampled
 */
export function scoreLabels(
  parameters: DecoderParameters,
  batch: TensorMap,
  sequences: number,
  temperature = 1,
): LabelScores {
  const hidden = chosenStates(parameters, batch, sequences)
  return labelScores(hidden, outputMatrix(parameters), batch.labels!, temperature)
}
