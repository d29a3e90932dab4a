/** @file From a token batch to the log-probabilities of its labels. */
import { vocabularyScores } from '../batches/vocabulary-scores.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { detached } from '../tensor/stop-gradient.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import { type TokenScores, tokenScores } from './token-scores.ts'

/** [slots]; meaningless in padding slots. What is a function reads the whole vocabulary once more. */
export interface LabelScores extends TokenScores {
  /** 1 where the label is the most probable token, [slots]. Carries no gradient. */
  readonly correct: Tensor
  /** log sum_v p_v^2, [slots]: how probable the policy's own choices are on average. Carries no gradient. */
  logSumSquares(): Tensor
  /** Mean score over the vocabulary, [slots]. Carries no gradient. */
  meanScore(): Tensor
}

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
  const raw = vocabularyScores(parameters, batch, sequences)
  const scores = temperature === 1 ? raw : tf.div(raw, temperature)
  const best = tf.argMax(scores, -1)
  return {
    ...tokenScores(scores, batch.labels!),
    correct: tf.cast(tf.equal(best, batch.labels!), 'float32'),
    logSumSquares: () => detached(scores, (x) => tf.logSumExp(tf.mul(tf.logSoftmax(x), 2), -1)),
    meanScore: () => detached(scores, (x) => tf.mean(x, -1)),
  }
}
