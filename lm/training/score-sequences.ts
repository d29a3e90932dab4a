/** @file Log-probabilities of given completions under a policy that stands still: references and old policies. */
import type { DecoderParameters } from '../model/decoder.ts'
import { type Jitted, jit } from '../tensor/jit.ts'
import { type TensorMap, tf } from '../tensor/tf.ts'
import { causalArrays, type Sequence, tokenBatch, upload } from './batch.ts'
import { scoreLabels } from './forward.ts'

export interface ScoringHooks {
  readonly signal: AbortSignal
  progress(done: number, total: number): void
}

/** For each sequence, the log-probability of each of its counted tokens, in order. */
export async function scoreSequences(
  parameters: DecoderParameters,
  sequences: readonly Sequence[],
  batchSize: number,
  temperature: number,
  hooks: ScoringHooks,
): Promise<Float32Array[]> {
  const results: Float32Array[] = new Array(sequences.length)
  const order = sequences
    .map((_, index) => index)
    .sort((a, b) => sequences[a]!.ids.length - sequences[b]!.ids.length)
  const compiled = new Map<number, Jitted<TensorMap, TensorMap>>()
  try {
    for (let start = 0; start < order.length; start += batchSize) await scoreBatch(start)
  } finally {
    for (const run of compiled.values()) run.dispose()
  }
  return results

  async function scoreBatch(start: number): Promise<void> {
    const chosen = order.slice(start, start + batchSize)
    const { arrays, layout, length } = tokenBatch(chosen.map((index) => sequences[index]!))
    const rows = chosen.length
    const run =
      compiled.get(rows) ??
      jit((batch: TensorMap) => ({ logps: scoreLabels(parameters, batch, rows, temperature).logps }))
    compiled.set(rows, run)
    const tensors = upload({ ...arrays, ...causalArrays(parameters.config, length) })
    const { logps } = run(tensors)
    const values = logps!.dataSync() as Float32Array
    layout.spans.forEach(({ start: first, count }, row) => {
      results[chosen[row]!] = values.slice(first, first + count)
    })
    tf.dispose([...Object.values(tensors), logps!])
    hooks.progress(Math.min(start + batchSize, order.length), order.length)
    await new Promise((resolve) => setImmediate(resolve))
    hooks.signal.throwIfAborted()
  }
}
