/**
 * @file What several prompts have in common, found from their token ids: a tree of tokens in which each prompt is a
 * path, so that a beginning which prompts share is computed once. Tokens stand in depth-first order: those before any
 * token that it sees in the same call of the model, and besides them only the path above the call's first one.
 */

export interface PrefixTree {
  readonly ids: readonly number[]
  /** Of each token the one before it on its path; -1 for the first of a path. */
  readonly parents: readonly number[]
  /** Of each token how many lie before it on its path: its position. */
  readonly depths: readonly number[]
  /** Of each prompt its last token. */
  readonly leaves: readonly number[]
}

/** @param prompts token ids; none empty */
export function prefixTree(prompts: readonly (readonly number[])[]): PrefixTree {
  const order = prompts
    .map((_, index) => index)
    .sort((a, b) => comparePrompts(prompts[a]!, prompts[b]!) || a - b)
  const [ids, parents, depths]: [number[], number[], number[]] = [[], [], []]
  const leaves = prompts.map(() => -1)
  let path: number[] = []
  let before: readonly number[] = []
  for (const prompt of order) {
    const tokens = prompts[prompt]!
    const shared = sharedLength(before, tokens)
    path = path.slice(0, shared)
    for (let depth = shared; depth < tokens.length; depth++) {
      parents.push(path.at(-1) ?? -1)
      path.push(ids.push(tokens[depth]!) - 1)
      depths.push(depth)
    }
    leaves[prompt] = path.at(-1)!
    before = tokens
  }
  return { ids, parents, depths, leaves }
}

/** The tokens up to and with `node`, first to last. */
export function pathTo({ parents, depths }: PrefixTree, node: number): number[] {
  const path = new Array<number>(depths[node]! + 1)
  for (let each = node; each !== -1; each = parents[each]!) path[depths[each]!] = each
  return path
}

/** How many tokens all prompts begin with, `most` at most. */
export function commonLength(prompts: readonly (readonly number[])[], most: number): number {
  return prompts.reduce((shared, prompt) => Math.min(shared, sharedLength(prompts[0]!, prompt)), most)
}

/** How many tokens both begin with. */
export function sharedLength(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length)
  let length = 0
  while (length < most && a[length] === b[length]) length++
  return length
}

/** Puts prompts that begin alike side by side; 0 where they are equal. */
export function comparePrompts(a: readonly number[], b: readonly number[]): number {
  const shared = sharedLength(a, b)
  return (a[shared] ?? -1) - (b[shared] ?? -1)
}
