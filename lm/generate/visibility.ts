/** @file Which token sees which while prompts are read as a tree, as masks: 0 where it does, `masked` where not. */
import { masked } from '../model/attention.ts'
import type { TreePart, TreeRows } from './tree-rows.ts'

/**
 * What each token sees of its row's keys: itself, those on its path, and the path above as far as it is its own.
 * @param window how many tokens it sees at most, itself included
 * @returns [rows, length, above + width], row-major
 */
export function treeMask(
  { ids, positions, parents, above }: TreePart,
  { starts, before, length, width }: TreeRows,
  window = Number.POSITIVE_INFINITY,
): Float32Array {
  const count = ids.length
  const keys = above + width
  const mask = new Float32Array(starts.length * length * keys).fill(masked)
  /** The path above starts at position 0. */
  const seenAbove = new Int32Array(count)
  starts.forEach((start, row) => {
    const own = above + before[row]!
    for (let token = start; token < (starts[row + 1] ?? count); token++) {
      const position = positions[token]!
      const parent = parents[token]!
      seenAbove[token] = parent < 0 ? Math.min(above, position) : seenAbove[parent]!
      const line = (row * length + token - start) * keys
      const first = Math.max(0, position - window + 1)
      if (first < seenAbove[token]!) mask.fill(0, line + first, line + seenAbove[token]!)
      for (let seen = token; seen >= 0 && positions[seen]! >= first; seen = parents[seen]!) {
        const key = seen >= start ? seen - start : positions[seen]! - positions[start]!
        mask[line + own + key] = 0
      }
    }
  })
  return mask
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
