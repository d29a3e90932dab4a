/**
 * @file Perplexity: exp of the mean negative log-likelihood of a text's tokens. Texts longer than the window are read
 * through overlapping windows, each token counted once with as much before it as its window holds, as in
 * https://huggingface.co/docs/transformers/perplexity.
 */
import type { Sequence } from '../batches/sequence.ts'

/**
 * Windows that begin every `stride` tokens; each counts the tokens that those before it have not reached.
 * @param window tokens a window holds; at least `stride`
 */
export function slidingWindows(sequence: Sequence, window: number, stride: number): Sequence[] {
  const { ids, weights } = sequence
  const windows: Sequence[] = []
  for (let start = 0, reached = 0; reached < ids.length; start += stride) {
    const end = Math.min(ids.length, start + window)
    const counted = Array.from({ length: end - start }, (_, index) =>
      start + index < reached ? 0 : weights[start + index]!,
    )
    windows.push({ ids: ids.slice(start, end), weights: counted })
    reached = end
  }
  // The first token of a window has nothing before it: it is never a target.
  return windows.filter(({ weights: counted }) =>
    Array.from(counted).some((weight, at) => at > 0 && weight > 0),
  )
}

export interface Likelihood {
  readonly tokens: number
  /** Sum over the tokens of -log p, natural logarithm. */
  readonly negativeLogLikelihood: number
}

/** @param logps of each window's counted tokens */
export function likelihoodOf(logps: readonly Float32Array[]): Likelihood {
  let tokens = 0
  let negativeLogLikelihood = 0
  for (const values of logps) {
    tokens += values.length
    for (const logp of values) negativeLogLikelihood -= logp
  }
  return { tokens, negativeLogLikelihood }
}

export interface PerplexityMetrics {
  readonly perplexity: number
  /** Mean a token. */
  readonly nll: number
  readonly tokens: number
  /** Compares models of different tokenizers; where the texts' size is given. */
  readonly bits_per_byte?: number
}

export function perplexityMetrics(
  { tokens, negativeLogLikelihood }: Likelihood,
  sizeBytes?: number,
): PerplexityMetrics {
  const nll = negativeLogLikelihood / tokens
  return {
    perplexity: Math.exp(nll),
    nll,
    tokens,
    ...(sizeBytes !== undefined && { bits_per_byte: negativeLogLikelihood / Math.LN2 / sizeBytes }),
  }
}
