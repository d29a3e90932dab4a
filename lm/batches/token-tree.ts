/**
 * @file Token sequences that share a row: what several of them begin with stands in it once. Each goes on where it parts
 * from the one before it, at the positions that it would have in a row of its own.
 */

/** A sequence in a tree of them. */
export interface Branch {
  readonly ids: readonly number[]
  /** The branch whose first tokens are its own, and how many. */
  readonly parent: Branch | undefined
  readonly shared: number
  /** Place in the row of its first token that is not shared. */
  readonly start: number
}

export class TokenTree {
  readonly #branches: Branch[] = []
  readonly #sharing: boolean
  #size = 0

  /** @param sharing false gives every sequence all of its tokens to itself */
  constructor(sharing: boolean) {
    this.#sharing = sharing
  }

  /** Tokens in it. */
  get size(): number {
    return this.#size
  }

  /** Tokens that it would grow by. */
  growth(ids: readonly number[]): number {
    return ids.length - this.#nearest(ids).shared
  }

  add(ids: readonly number[]): Branch {
    const branch = { ids, ...this.#nearest(ids), start: this.#size }
    this.#branches.push(branch)
    this.#size += ids.length - branch.shared
    return branch
  }

  /** The branch that has most of its first tokens, the oldest among equals. */
  #nearest(ids: readonly number[]): Pick<Branch, 'parent' | 'shared'> {
    let parent: Branch | undefined
    let shared = 0
    if (!this.#sharing) return { parent, shared }
    for (const branch of this.#branches) {
      const common = commonPrefix(branch.ids, ids)
      if (common > shared) [parent, shared] = [branch, common]
    }
    return { parent, shared }
  }
}

/** Place in the row of each token of a branch, its first ones among its parent's. */
export function placesOf({ ids, parent, shared, start }: Branch): Int32Array {
  const places = new Int32Array(ids.length)
  if (parent !== undefined) places.set(placesOf(parent).subarray(0, shared))
  for (let position = shared; position < ids.length; position++) places[position] = start + position - shared
  return places
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const end = Math.min(a.length, b.length)
  let length = 0
  while (length < end && a[length] === b[length]) length++
  return length
}
