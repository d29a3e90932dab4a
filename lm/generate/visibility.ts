/** @file Which token sees which while prompts are read as a tree, as masks: 0 where it does, `masked` where not. */
import { masked } from '../model/attention.ts'

/** Tokens of a tree, depth first, and the path above the first of them. */
export interface TreePart {
  readonly ids: readonly number[]
  readonly positions: readonly number[]
  /** Of each token the one before it, by its place in this part; negative where that lies on the path above. */
  readonly parents: readonly number[]
  /** Tokens on the path above. A token whose parent lies there sees all of it that has lower positions. */
  readonly above: number
}

/**
 * What each token sees: itself, those on its path in this part, and the path above as far as it is its own.
 * @param keys of the path above; where there is none, keys that nobody sees
 * @param window how many tokens it sees at most, itself included
 * @returns row-major: `past` [tokens, keys], `own` [tokens, tokens]
 */
export function treeMasks(
  { ids, positions, parents, above }: TreePart,
  keys: number,
  window = Number.POSITIVE_INFINITY,
): { past: Float32Array; own: Float32Array } {
  const count = ids.length
  const past = new Float32Array(count * keys).fill(masked)
  const own = new Float32Array(count * count).fill(masked)
  /** The path above starts at position 0. */
  const seenAbove = new Int32Array(count)
  for (let token = 0; token < count; token++) {
    const position = positions[token]!
    const parent = parents[token]!
    seenAbove[token] = parent < 0 ? Math.min(above, position) : seenAbove[parent]!
    const first = Math.max(0, position - window + 1)
    if (first < seenAbove[token]!) past.fill(0, token * keys + first, token * keys + seenAbove[token]!)
    for (let seen = token; seen >= 0 && positions[seen]! >= first; seen = parents[seen]!) {
      own[token * count + seen] = 0
    }
  }
  return { past, own }
}

/** What the rows' next tokens see of `shared` tokens before their own, [positions.length, shared]. */
export function sharedMask(shared: number, positions: readonly number[], window: number): Float32Array {
  const mask = new Float32Array(positions.length * shared)
  positions.forEach((position, row) => {
    const hidden = Math.min(shared, Math.max(0, position - window + 1))
    mask.fill(masked, row * shared, row * shared + hidden)
  })
  return mask
}
