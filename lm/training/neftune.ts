/** @file NEFTune (arXiv 2310.05914): uniform noise on the embeddings, in training alone. */
import type { PassShape } from '../batches/cost.ts'
import { ofPlaces } from '../batches/open-sizes.ts'
import { createRandom } from '../random.ts'
import type { HostTensor } from '../tensor/host-tensor.ts'
import type { Place } from './trainer.ts'

export interface NoiseSettings {
  /** Strength; 5 to 15 in the paper. */
  readonly alpha: number
  readonly seed: number
}

/**
 * Noise in +-alpha / sqrt(longest * hiddenSize), [rows, spans of queries, span, hiddenSize].
 * @param longest tokens of the batch's longest sequence: what transformers pads to, whatever `length` is here
 */
export function embeddingNoise(
  shape: Pick<PassShape, 'rows' | 'length' | 'querySpans'>,
  longest: number,
  hiddenSize: number,
  { alpha, seed }: NoiseSettings,
  { update, micro, pass }: Place,
): HostTensor {
  const random = createRandom(`neftune ${seed} ${update} ${micro} ${pass}`)
  const bound = alpha / Math.sqrt(longest * hiddenSize)
  const data = new Float32Array(shape.rows * shape.length * hiddenSize)
  for (let index = 0; index < data.length; index++) data[index] = (2 * random.next() - 1) * bound
  return ofPlaces(shape, data, [hiddenSize])
}
