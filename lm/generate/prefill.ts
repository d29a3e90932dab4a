/**
 * @file Prompts are read: as a tree of tokens, packed into few calls of the model without padding. What several prompts
 * begin with is computed once.
 */
import type { DecoderConfig } from '../model/config.ts'
import { joined, type KeyValues, type Run } from './key-values.ts'
import { commonLength, comparePrompts, pathTo, prefixTree, sharedLength } from './prefix-tree.ts'
import type { DecodingSteps } from './steps.ts'

/** Tokens a call: enough to keep the processor busy, few enough that scores among all of them stay small. */
const tokensPerCall = 512

/** A shorter beginning in common is rather copied into each row. */
const worthSharing = 16

/** Tokens that are read before what they came to is put away. */
const tokensTogether = 4096

/** The prompts, those that begin alike side by side. */
export function inOrder(prompts: readonly (readonly number[])[]): number[] {
  return prompts.map((_, index) => index).sort((a, b) => comparePrompts(prompts[a]!, prompts[b]!) || a - b)
}

/**
 * How many of the waiting prompts are read next: `most`, unless they are long; equal prompts together if they fit.
 * @param waiting in order
 * @param offset tokens that all prompts begin with, which have been read
 */
export function readTogether(
  waiting: readonly number[],
  prompts: readonly (readonly number[])[],
  most: number,
  offset: number,
): number {
  const prompt = (place: number) => prompts[waiting[place]!]!
  let [count, tokens] = [0, 0]
  while (count < Math.min(most, waiting.length)) {
    tokens += prompt(count).length - (count === 0 ? offset : sharedLength(prompt(count - 1), prompt(count)))
    if (count > 0 && tokens > tokensTogether) break
    count++
  }
  let whole = count
  const same = (a: number, b: number) => comparePrompts(prompt(a), prompt(b)) === 0
  while (whole > 0 && whole < waiting.length && same(whole - 1, whole)) whole--
  return whole || count
}

/** What all prompts begin with, at least one token of each left out; undefined where that is not worth sharing. */
export async function readCommon(
  steps: DecodingSteps,
  config: DecoderConfig,
  prompts: readonly (readonly number[])[],
  pause: () => Promise<void>,
): Promise<KeyValues | undefined> {
  const length = commonLength(prompts, Math.min(...prompts.map((prompt) => prompt.length)) - 1)
  if (length < worthSharing || prompts.length === 1) return undefined
  const { runs } = await readPrompts(steps, config, [prompts[0]!.slice(0, length)], undefined, pause)
  return joined(runs[0]!, config)
}

export interface ReadPrompts {
  /** By prompt: where its tokens' keys and values are. */
  readonly runs: readonly (readonly Run[])[]
  /** Hidden state of each prompt's last token, [prompts, hiddenSize]. */
  readonly hidden: Float32Array
}

/**
 * @param prompts token ids after what they have in common; none empty
 * @param common keys and values of what all of them begin with
 * @param pause is awaited between two calls of the model
 */
export async function readPrompts(
  steps: DecodingSteps,
  config: DecoderConfig,
  prompts: readonly (readonly number[])[],
  common: KeyValues | undefined,
  pause: () => Promise<void>,
): Promise<ReadPrompts> {
  const tree = prefixTree(prompts)
  const offset = common?.length ?? 0
  /** One a call. */
  const read: KeyValues[] = []
  const states = new Map<number, Float32Array>()
  const leaves = [...new Set(tree.leaves)].sort((a, b) => a - b)
  for (let start = 0; start < tree.ids.length; start += tokensPerCall) {
    if (start > 0) await pause()
    const end = Math.min(start + tokensPerCall, tree.ids.length)
    const above = pathTo(tree, start).slice(0, -1)
    const past = above.length === 0 ? common : joined([...whole(common), ...runsOf(above, read)], config)
    const part = {
      ids: tree.ids.slice(start, end),
      positions: tree.depths.slice(start, end).map((depth) => offset + depth),
      parents: tree.parents.slice(start, end).map((parent) => parent - start),
      above: past?.length ?? 0,
    }
    const ending = leaves.filter((leaf) => leaf >= start && leaf < end)
    const shown = ending.map((leaf) => leaf - start)
    const { kept, hidden } = steps.prefill(part, past, shown.length > 0 ? shown : [0])
    read.push(kept)
    const values = hidden.dataSync() as Float32Array
    hidden.dispose()
    ending.forEach((leaf, row) => {
      states.set(leaf, values.subarray(row * config.hiddenSize, (row + 1) * config.hiddenSize))
    })
  }
  const hidden = new Float32Array(prompts.length * config.hiddenSize)
  tree.leaves.forEach((leaf, prompt) => {
    hidden.set(states.get(leaf)!, prompt * config.hiddenSize)
  })
  return { runs: tree.leaves.map((leaf) => runsOf(pathTo(tree, leaf), read)), hidden }
}

function whole(values: KeyValues | undefined): Run[] {
  return values === undefined ? [] : [{ source: values, first: 0, count: values.length }]
}

/** Tokens of the tree as stretches of what the calls gave. */
function runsOf(tokens: readonly number[], read: readonly KeyValues[]): Run[] {
  const runs: { source: KeyValues; first: number; count: number }[] = []
  let previous = Number.NaN
  for (const token of tokens) {
    const first = token % tokensPerCall
    if (token === previous + 1 && first !== 0) runs.at(-1)!.count++
    else runs.push({ source: read[Math.floor(token / tokensPerCall)]!, first, count: 1 })
    previous = token
  }
  return runs
}
