/** @file From a token batch to the log-probabilities of its labels. */
import { chosenStates } from '../batches/chosen-states.ts'
import { type DecoderParameters, outputMatrix } from '../model/decoder.ts'
import type { TensorMap } from '../tensor/tf.ts'
import { type LabelScores, labelScores } from './token-scores.ts'

/**
 * @param batch the arrays of `tokenBatch`
 * @param temperature divides the scores, as it did when the tokens were sampled
 */
export function scoreLabels(parameters: DecoderParameters, batch: TensorMap, temperature = 1): LabelScores {
  return labelScores(chosenStates(parameters, batch), outputMatrix(parameters), batch.labels!, temperature)
}
