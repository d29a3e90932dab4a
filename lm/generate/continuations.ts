/**
 * @file How probable given continuations of a prompt are. Prompts and what their continuations begin with are read as a
 * tree, so that whatever several of them share is computed once. Nothing is sampled.
 */
import { LmFailure } from '../failure.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { tf } from '../tensor/tf.ts'
import { inOrder, readCommon, readPrompts, readTogether } from './prefill.ts'
import { DecodingSteps } from './steps.ts'

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

/** A beginning of continuations that shows how they may go on. */
interface Prefix {
  readonly request: number
  /** After the prompt. */
  readonly tokens: readonly number[]
}

/**
 * log p of each continuation after its prompt, at temperature 1, in the continuations' order.
 * @param batchSize prefixes whose next tokens are scored together
 * @throws LmFailure `prompt-too-long`
 */
export async function continuationLogps(
  parameters: DecoderParameters,
  requests: readonly ContinuationRequest[],
  batchSize: number,
  hooks: ContinuationHooks = {},
): Promise<number[][]> {
  const { config } = parameters
  const { maxPositions, hiddenSize } = config
  const prefixes = requests.flatMap(prefixesOf)
  const texts = prefixes.map(({ request, tokens }) => [...requests[request]!.prompt, ...tokens])
  texts.forEach((ids, index) => {
    if (ids.length <= maxPositions) return
    throw new LmFailure({
      code: 'prompt-too-long',
      message: `prompt ${prefixes[index]!.request + 1} has ${ids.length} tokens; the model has ${maxPositions} positions`,
      hint: 'shorten the prompt',
    })
  })
  if (texts.length === 0) return requests.map(() => [])
  /** By request: log p of a token after a prefix. */
  const logps = requests.map(() => new Map<string, number>())
  const steps = new DecodingSteps(parameters, 'fp32')
  const pause = async () => {
    await new Promise((resolve) => setImmediate(resolve))
    hooks.signal?.throwIfAborted()
  }
  try {
    const common = await readCommon(steps, config, texts, pause)
    const offset = common?.length ?? 0
    const waiting = inOrder(texts)
    while (waiting.length > 0) {
      const chosen = waiting.splice(0, readTogether(waiting, texts, batchSize, offset))
      const suffixes = chosen.map((index) => texts[index]!.slice(offset))
      const { hidden } = await readPrompts(steps, config, suffixes, common, pause)
      score(
        chosen.map((index) => prefixes[index]!),
        hidden,
      )
      hooks.progress?.(texts.length - waiting.length, texts.length)
      await pause()
    }
  } finally {
    steps.dispose()
  }
  return requests.map(({ continuations }, request) =>
    continuations.map((tokens) =>
      tokens.reduce((sum, _, at) => sum + logps[request]!.get(tokens.slice(0, at + 1).join())!, 0),
    ),
  )

  /** @param hidden [chosen.length, hiddenSize] */
  function score(chosen: readonly Prefix[], hidden: Float32Array): void {
    const following = chosen.map(({ request, tokens }) => nextOf(requests[request]!, tokens))
    const candidates = [...new Set(following.flat())]
    const columns = new Map(candidates.map((token, column) => [token, column]))
    const values = steps.logps(tf.tensor2d(hidden, [chosen.length, hiddenSize]), candidates)
    chosen.forEach(({ request, tokens }, row) => {
      for (const token of following[row]!) {
        const value = values[row * candidates.length + columns.get(token)!]!
        logps[request]!.set([...tokens, token].join(), value)
      }
    })
  }
}

/** The tokens that the continuations put after a prefix of theirs. */
function nextOf({ continuations }: ContinuationRequest, prefix: readonly number[]): number[] {
  const following = continuations.filter(
    (tokens) => tokens.length > prefix.length && startsWith(tokens, prefix),
  )
  return [...new Set(following.map((tokens) => tokens[prefix.length]!))]
}

/** What stands before some token of a continuation, each once. */
function prefixesOf({ continuations }: ContinuationRequest, request: number): Prefix[] {
  const distinct = new Map<string, Prefix>()
  for (const tokens of continuations) {
    for (let length = 0; length < tokens.length; length++) {
      const prefix = tokens.slice(0, length)
      distinct.set(prefix.join(), { request, tokens: prefix })
    }
  }
  return [...distinct.values()]
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
