/**
 * @file Log-probabilities of given completions under a policy, without gradients: those of references and of old
 * policies.
 */

import type { PassShape } from '../batches/cost.ts'
import type { Sequence } from '../batches/sequence.ts'
import { planShapes } from '../batches/shape-plan.ts'
import { rowsOf, type TokenBatch, tokenBatch } from '../batches/token-batch.ts'
import type { DecoderConfig } from '../model/config.ts'
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
  readonly #config: DecoderConfig
  readonly #batchSize: number
  readonly #shapes: readonly PassShape[] | undefined
  readonly #run: Jitted<TensorMap, TensorMap>

  /** @param shapes planned for what it will be given; see `LayoutSettings` */
  constructor(
    parameters: DecoderParameters,
    batchSize: number,
    temperature: number,
    shapes?: readonly PassShape[],
  ) {
    this.#config = parameters.config
    this.#batchSize = batchSize
    this.#shapes = shapes
    this.#run = jit((batch: TensorMap) => ({ logps: scoreLabels(parameters, batch, temperature).logps }), {
      name: 'scores',
    })
  }

  /** For each sequence, the log-probability of each of its counted tokens, in order. */
  async score(sequences: readonly Sequence[], hooks: ScoringHooks): Promise<Float32Array[]> {
    const results: Float32Array[] = new Array(sequences.length)
    const layout = { config: this.#config, sharing: true, shapes: this.#shapes }
    let done = 0
    for (const batch of inBatches(sequences, this.#batchSize)) {
      const chosen = batch.map((index) => sequences[index]!)
      const logps = this.#scoreBatch(tokenBatch(chosen, layout))
      batch.forEach((index, each) => {
        results[index] = logps[each]!
      })
      done += batch.length
      hooks.progress(done, sequences.length)
      await new Promise((resolve) => setImmediate(resolve))
      hooks.signal.throwIfAborted()
    }
    return results
  }

  dispose(): void {
    this.#run.dispose()
  }

  #scoreBatch({ arrays, layout }: TokenBatch): Float32Array[] {
    const tensors = upload(arrays)
    const { logps } = this.#run(tensors)
    const values = logps!.dataSync() as Float32Array
    tf.dispose([...Object.values(tensors), logps!])
    return layout.spans.map(({ start, count }) => values.slice(start, start + count))
  }
}

/** Sequences that begin alike share a batch. */
function inBatches(sequences: readonly Sequence[], batchSize: number): number[][] {
  const order = sequences
    .map((_, index) => index)
    .sort((a, b) => compare(sequences[a]!.ids, sequences[b]!.ids))
  return Array.from({ length: Math.ceil(order.length / batchSize) }, (_, index) =>
    order.slice(index * batchSize, (index + 1) * batchSize),
  )
}

/** As words in a dictionary. */
function compare(a: readonly number[], b: readonly number[]): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++)
    if (a[index] !== b[index]) return a[index]! - b[index]!
  return a.length - b.length
}

/** The scores of a policy that is asked once; see `SequenceScorer`. */
export async function scoreSequences(
  parameters: DecoderParameters,
  sequences: readonly Sequence[],
  batchSize: number,
  temperature: number,
  hooks: ScoringHooks,
): Promise<Float32Array[]> {
  const { config } = parameters
  const needed = inBatches(sequences, batchSize).map((batch) => {
    const chosen = batch.map((index) => sequences[index]!)
    return rowsOf(chosen, { config, sharing: true, steps: 8 })
  })
  const scorer = new SequenceScorer(parameters, batchSize, temperature, planShapes(needed, config))
  try {
    return await scorer.score(sequences, hooks)
  } finally {
    scorer.dispose()
  }
}
