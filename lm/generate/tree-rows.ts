/**
 * @file A part of a tree of tokens laid out in rows for attention: each row computes scores with its own tokens and the
 * path to them alone. Branches within a row are told apart by masks.
 */

/** Tokens of a tree, depth first, and the path above the first of them. */
export interface TreePart {
  readonly ids: readonly number[]
  readonly positions: readonly number[]
  /** Of each token the one before it, by its place in this part; negative where that lies on the path above. */
  readonly parents: readonly number[]
  /** Tokens on the path above. A token whose parent lies there sees all of it that has lower positions. */
  readonly above: number
}

/** Rows of consecutive tokens. A row sees the path above the part, the path within the part to its first token, and itself. */
export interface TreeRows {
  /** Each row's first token; a row goes on to the next one's. */
  readonly starts: readonly number[]
  /** Of each row how many tokens of the part lie on the path to its first one. */
  readonly before: readonly number[]
  /** Places of a row. */
  readonly length: number
  /** Keys of a row, those of the path above the part not counted. */
  readonly width: number
}

/** What a row costs apart from its scores, in places: its keys and values are copied together. */
const overhead = 16

/** Lengths of rows that are tried. */
const step = 8

/** The rows that cost least, cut where a branch begins if there is one. */
export function treeRows({ ids, parents, above }: TreePart): TreeRows {
  const count = ids.length
  const depths = depthsWithin(parents)
  const rowsOf = (length: number): TreeRows => {
    const starts = [0]
    for (let start = 0; start + length < count; starts.push(start)) {
      let end = start + length
      while (end > start + 1 && parents[end] === end - 1) end--
      start = end > start + 1 ? end : start + length
    }
    const before = starts.map((start) => depths[start]!)
    return { starts, before, length, width: length + Math.max(...before) }
  }
  const cost = ({ starts, length, width }: TreeRows) => starts.length * (length + overhead) * (above + width)
  let best = rowsOf(count)
  for (let length = step; length < count; length += step) {
    const rows = rowsOf(length)
    if (cost(rows) < cost(best)) best = rows
  }
  return best
}

/** All tokens in one row. */
export function oneRow({ ids }: TreePart): TreeRows {
  return { starts: [0], before: [0], length: ids.length, width: ids.length }
}

/** Of each token how many lie before it on its path in the part. */
function depthsWithin(parents: readonly number[]): Int32Array {
  const depths = new Int32Array(parents.length)
  parents.forEach((parent, token) => {
    depths[token] = parent < 0 ? 0 : depths[parent]! + 1
  })
  return depths
}

/** Row-major indices that lead from tokens to rows and back. What is past a row's end is some token or other. */
export interface RowIndices {
  /** [rows, length]: the token of each place. */
  readonly queries: Int32Array
  /** [rows, above + width]: what each row sees, of `keys` keys before the part's tokens, and those. */
  readonly seen: Int32Array
  /** [tokens, 2]: row and place of each token. */
  readonly places: Int32Array
}

/** @param keys those before the part's tokens; the path above, or where there is none, any that nobody sees */
export function rowIndices(
  { ids, parents, above }: TreePart,
  { starts, before, length, width }: TreeRows,
  keys: number,
): RowIndices {
  const count = ids.length
  const queries = new Int32Array(starts.length * length)
  const seen = new Int32Array(starts.length * (above + width))
  const places = new Int32Array(2 * count)
  starts.forEach((start, row) => {
    const first = row * (above + width)
    for (let key = 0; key < above; key++) seen[first + key] = key
    let own = first + above + before[row]!
    for (let token = parents[start]!, key = own; token >= 0; token = parents[token]!) {
      seen[--key] = keys + token
    }
    const end = starts[row + 1] ?? count
    for (let token = start; token < end; token++) {
      queries[row * length + token - start] = token
      seen[own++] = keys + token
      places.set([row, token - start], 2 * token)
    }
  })
  return { queries, seen, places }
}
