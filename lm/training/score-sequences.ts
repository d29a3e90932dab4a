/**
 * @file Log-probabilities of given completions under a policy, without gradients: those of references and of old
 * policies.
 */
import type { LayoutSettings } from '../batches/layout.ts'
import type { Sequence } from '../batches/sequence.ts'
import { planGraphs, unplanned } from '../batches/shape-plan.ts'
import { type TokenBatch, tokenBatch } from '../batches/token-batch.ts'
import { TokenTree } from '../batches/token-tree.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { type HostBatch, openSizesOf, upload } from '../tensor/host-tensor.ts'
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
  readonly #layout: LayoutSettings
  #run: Jitted<TensorMap, TensorMap> | undefined

  /** @param layout planned for what it will be given (`planGraphs`) */
  constructor(
    parameters: DecoderParameters,
    batchSize: number,
    temperature: number,
    layout: LayoutSettings = unplanned(parameters.config, true),
  ) {
    this.#parameters = parameters
    this.#batchSize = batchSize
    this.#temperature = temperature
    this.#layout = layout
  }

  /** For each sequence, the log-probability of each of its counted tokens, in order. */
  async score(sequences: readonly Sequence[], hooks: ScoringHooks): Promise<Float32Array[]> {
    const results: Float32Array[] = new Array(sequences.length)
    let done = 0
    for (const batch of inBatches(sequences, this.#batchSize)) {
      const chosen = batch.map((index) => sequences[index]!)
      const logps = this.#scoreBatch(tokenBatch(chosen, this.#layout))
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
    this.#run?.dispose()
  }

  #scoreBatch({ arrays, layout }: TokenBatch): Float32Array[] {
    const run = this.#compiled(arrays)
    const tensors = upload(arrays)
    const { logps } = run(tensors)
    const values = logps!.dataSync() as Float32Array
    tf.dispose([...Object.values(tensors), logps!])
    return layout.spans.map(({ start, count }) => values.slice(start, start + count))
  }

  #compiled(arrays: HostBatch): Jitted<TensorMap, TensorMap> {
    this.#run ??= jit(
      (batch: TensorMap) => ({ logps: scoreLabels(this.#parameters, batch, this.#temperature).logps }),
      { name: 'scores', openSizes: openSizesOf(arrays) },
    )
    return this.#run
  }
}

/** Tokens that a batch may have, whatever the batch size: fewer leave a processor's arithmetic waiting for weights. */
const fewTokens = 768

/** Sequences that begin alike share a batch. One has `batchSize` sequences, or more that are short. */
function inBatches(sequences: readonly Sequence[], batchSize: number): number[][] {
  const order = sequences
    .map((_, index) => index)
    .sort((a, b) => compare(sequences[a]!.ids, sequences[b]!.ids))
  const batches: number[][] = []
  let tree = new TokenTree(true)
  for (const index of order) {
    const { ids } = sequences[index]!
    const batch = batches.at(-1)
    const hasRoom =
      batch !== undefined && (batch.length < batchSize || tree.size + tree.growth(ids) <= fewTokens)
    if (hasRoom) batch.push(index)
    else {
      batches.push([index])
      tree = new TokenTree(true)
    }
    tree.add(ids)
  }
  return batches
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
  const batches = inBatches(sequences, batchSize).map((batch) => batch.map((index) => sequences[index]!))
  const layout = planGraphs(batches, parameters.config, true)
  const scorer = new SequenceScorer(parameters, batchSize, temperature, layout)
  try {
    return await scorer.score(sequences, hooks)
  } finally {
    scorer.dispose()
  }
}
