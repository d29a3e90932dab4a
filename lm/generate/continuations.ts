/**
 * @file How probable given continuations of a prompt are: one forward pass over the prompt and whatever several
 * continuations share, from which the next tokens are read. Nothing is sampled.
 */

import { bucketLength } from '../batches/buckets.ts'
import { causalArrays } from '../batches/causal-arrays.ts'
import { vocabularyScores } from '../batches/vocabulary-scores.ts'
import { LmFailure } from '../failure.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { type HostBatch, upload } from '../tensor/host-tensor.ts'
import { type Jitted, jit } from '../tensor/jit.ts'
import { type TensorMap, tf } from '../tensor/tf.ts'

export interface ContinuationRequest {
  /** Token ids; not empty. */
  readonly prompt: readonly number[]
  /** Token ids of each; none empty. */
  readonly continuations: readonly (readonly number[])[]
}

export interface ContinuationHooks {
  readonly signal?: AbortSignal
  progress?(done: number, total: number): void
}

/** A forward pass: the tokens, and the continuations' prefixes whose next tokens it shows. */
interface Row {
  readonly request: number
  readonly ids: readonly number[]
  /** At each position, the tokens after the prompt up to there. */
  readonly prefixes: readonly { readonly position: number; readonly tokens: readonly number[] }[]
}

/**
 * log p of each continuation after its prompt, at temperature 1, in the continuations' order.
 * @throws LmFailure `prompt-too-long`
 */
export async function continuationLogps(
  parameters: DecoderParameters,
  requests: readonly ContinuationRequest[],
  batchSize: number,
  hooks: ContinuationHooks = {},
): Promise<number[][]> {
  const rows = requests.flatMap(rowsOf)
  const { maxPositions } = parameters.config
  for (const { ids, request } of rows) {
    if (ids.length <= maxPositions) continue
    throw new LmFailure({
      code: 'prompt-too-long',
      message: `prompt ${request + 1} has ${ids.length} tokens; the model has ${maxPositions} positions`,
      hint: 'shorten the prompt',
    })
  }
  /** By request: log p of a token after a prefix. */
  const logps = requests.map(() => new Map<string, number>())
  const order = rows.map((_, index) => index).sort((a, b) => rows[a]!.ids.length - rows[b]!.ids.length)
  const compiled = new Map<number, Jitted<TensorMap, TensorMap>>()
  try {
    for (let start = 0; start < order.length; start += batchSize) {
      scoreBatch(order.slice(start, start + batchSize).map((index) => rows[index]!))
      hooks.progress?.(Math.min(start + batchSize, order.length), order.length)
      await new Promise((resolve) => setImmediate(resolve))
      hooks.signal?.throwIfAborted()
    }
  } finally {
    for (const run of compiled.values()) run.dispose()
  }
  return requests.map(({ continuations }, request) =>
    continuations.map((tokens) =>
      tokens.reduce((sum, _, at) => sum + logps[request]!.get(tokens.slice(0, at + 1).join())!, 0),
    ),
  )

  function scoreBatch(batch: readonly Row[]): void {
    const length = bucketLength(Math.max(...batch.map(({ ids }) => ids.length)))
    const slots = batch.flatMap(({ prefixes, request }, row) =>
      prefixes.map(({ position, tokens }) => ({ request, tokens, at: row * length + position })),
    )
    const nextTokens = [
      ...new Set(slots.flatMap(({ request, tokens }) => nextOf(requests[request]!, tokens))),
    ]
    const columns = new Map(nextTokens.map((token, column) => [token, column]))
    const arrays: HostBatch = {
      ids: { shape: [batch.length, length], data: new Int32Array(batch.length * length) },
      rows: integers(slots.map(({ at }) => at)),
      tokens: integers(nextTokens),
      ...causalArrays(parameters.config, length),
    }
    batch.forEach(({ ids }, row) => {
      arrays.ids!.data.set(ids, row * length)
    })
    const run =
      compiled.get(batch.length) ??
      jit(
        (tensors: TensorMap) => ({
          // [slots, tokens]
          logps: tf.gather(
            tf.logSoftmax(vocabularyScores(parameters, tensors)),
            tensors.tokens as tf.Tensor1D,
            1,
          ),
        }),
        { name: 'choices' },
      )
    compiled.set(batch.length, run)
    const tensors = upload(arrays)
    const results = run(tensors)
    const values = results.logps!.dataSync() as Float32Array
    const width = arrays.tokens!.shape[0]!
    slots.forEach(({ request, tokens }, slot) => {
      for (const token of nextOf(requests[request]!, tokens)) {
        logps[request]!.set([...tokens, token].join(), values[slot * width + columns.get(token)!]!)
      }
    })
    tf.dispose([...Object.values(tensors), results.logps!])
  }
}

/** Padded to a multiple of eight: few shapes are compiled. */
function integers(values: readonly number[]) {
  const data = new Int32Array(Math.ceil(values.length / 8) * 8)
  data.set(values)
  return { shape: [data.length], data }
}

/** The tokens that the continuations put after a prefix of theirs. */
function nextOf({ continuations }: ContinuationRequest, prefix: readonly number[]): number[] {
  const following = continuations.filter(
    (tokens) => tokens.length > prefix.length && startsWith(tokens, prefix),
  )
  return [...new Set(following.map((tokens) => tokens[prefix.length]!))]
}

/** One row for each prefix that no other prefix goes on from; it shows the shorter ones too. */
function rowsOf({ prompt, continuations }: ContinuationRequest, request: number): Row[] {
  const inner = continuations.map((tokens) => tokens.slice(0, -1)).sort((a, b) => b.length - a.length)
  const paths: number[][] = []
  for (const path of inner) if (!paths.some((longer) => startsWith(longer, path))) paths.push(path)
  return paths.map((path) => ({
    request,
    ids: [...prompt, ...path],
    prefixes: Array.from({ length: path.length + 1 }, (_, length) => ({
      position: prompt.length - 1 + length,
      tokens: path.slice(0, length),
    })),
  }))
}

function startsWith(tokens: readonly number[], prefix: readonly number[]): boolean {
  return prefix.every((token, at) => tokens[at] === token)
}

/**
 * Shares of several texts among themselves, each text given by the token sequences that spell it. A sequence that
 * another one goes on from (`1` and `10`) counts only with what does not go on; the shares sum to 1.
 * @param spellings by text: its token sequences and their log p
 */
export function sharesOf(
  spellings: readonly (readonly { readonly tokens: readonly number[]; readonly logp: number }[])[],
): number[] {
  const all = spellings.flat()
  const highest = Math.max(...all.map(({ logp }) => logp))
  const mass = (logp: number) => Math.exp(logp - highest)
  const own = ({ tokens, logp }: (typeof all)[number]) => {
    const longer = all.filter(
      (other) => other.tokens.length > tokens.length && startsWith(other.tokens, tokens),
    )
    const nearest = longer.filter(
      ({ tokens: other }) =>
        !longer.some((between) => between.tokens.length < other.length && startsWith(other, between.tokens)),
    )
    const taken = new Map(nearest.map((each) => [each.tokens.join(), mass(each.logp)]))
    // Rounding may leave less than nothing.
    return Math.max(0, mass(logp) - [...taken.values()].reduce((sum, each) => sum + each, 0))
  }
  const masses = spellings.map((sequences) => {
    const distinct = new Map(sequences.map((sequence) => [sequence.tokens.join(), own(sequence)]))
    return [...distinct.values()].reduce((sum, each) => sum + each, 0)
  })
  const total = masses.reduce((sum, each) => sum + each, 0)
  return masses.map((each) => each / total)
}
