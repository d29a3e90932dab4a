/**
 * @file Log-probabilities of given completions under a policy, without gradients: those of references and of old
 * policies.
 */

import { causalArrays } from '../batches/causal-arrays.ts'
import type { Sequence } from '../batches/sequence.ts'
import { tokenBatch } from '../batches/token-batch.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { upload } from '../tensor/host-tensor.ts'
import { type Jitted, jit } from '../tensor/jit.ts'
import { type TensorMap, tf } from '../tensor/tf.ts'
import { scoreLabels } from './forward.ts'

export interface ScoringHooks {
  readonly signal: AbortSignal
  progress(done: number, total: number): void
}

/** Scores with one policy, call after call: what is compiled for a shape once serves until it is disposed. */
export class SequenceScorer {
  readonly #parameters: DecoderParameters
  readonly #batchSize: number
  readonly #temperature: number
  /** One for each number of sequences: it is no tensor's shape. */
  readonly #compiled = new Map<number, Jitted<TensorMap, TensorMap>>()

  constructor(parameters: DecoderParameters, batchSize: number, temperature: number) {
    this.#parameters = parameters
    this.#batchSize = batchSize
    this.#temperature = temperature
  }

  /** For each sequence, the log-probability of each of its counted tokens, in order. */
  async score(sequences: readonly Sequence[], hooks: ScoringHooks): Promise<Float32Array[]> {
    const results: Float32Array[] = new Array(sequences.length)
    const order = sequences
      .map((_, index) => index)
      .sort((a, b) => sequences[a]!.ids.length - sequences[b]!.ids.length)
    for (let start = 0; start < order.length; start += this.#batchSize) {
      const chosen = order.slice(start, start + this.#batchSize)
      const logps = this.#scoreBatch(chosen.map((index) => sequences[index]!))
      chosen.forEach((index, row) => {
        results[index] = logps[row]!
      })
      hooks.progress(Math.min(start + this.#batchSize, order.length), order.length)
      await new Promise((resolve) => setImmediate(resolve))
      hooks.signal.throwIfAborted()
    }
    return results
  }

  dispose(): void {
    for (const run of this.#compiled.values()) run.dispose()
    this.#compiled.clear()
  }

  #scoreBatch(sequences: readonly Sequence[]): Float32Array[] {
    const { arrays, layout, length } = tokenBatch(sequences)
    const run = this.#compiled.get(sequences.length) ?? this.#compile(sequences.length)
    this.#compiled.set(sequences.length, run)
    const tensors = upload({ ...arrays, ...causalArrays(this.#parameters.config, length) })
    const { logps } = run(tensors)
    const values = logps!.dataSync() as Float32Array
    tf.dispose([...Object.values(tensors), logps!])
    return layout.spans.map(({ start, count }) => values.slice(start, start + count))
  }

  #compile(rows: number): Jitted<TensorMap, TensorMap> {
    return jit(
      (batch: TensorMap) => ({
        logps: scoreLabels(this.#parameters, batch, rows, this.#temperature).logps,
      }),
      { name: 'scores' },
    )
  }
}

/** The scores of a policy that is asked once; see `SequenceScorer`. */
export async function scoreSequences(
  parameters: DecoderParameters,
  sequences: readonly Sequence[],
  batchSize: number,
  temperature: number,
  hooks: ScoringHooks,
): Promise<Float32Array[]> {
  const scorer = new SequenceScorer(parameters, batchSize, temperature)
  try {
    return await scorer.score(sequences, hooks)
  } finally {
    scorer.dispose()
  }
}
