/** @file "Did you mean ...?": the known name that a mistyped one most probably stands for. */
import { posix } from 'node:path'

/**
 * The candidate nearest to `word`, or undefined where none is near enough: one slip for short words, one in every
 * three letters for longer ones. Letter case counts for nothing. The first of equally near ones wins.
 */
export function suggest(word: string, candidates: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase()
  let limit = Math.max(1, Math.floor(wanted.length / 3))
  let best: string | undefined
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase(), limit)
    if (distance > limit || candidate === word) continue
    best = candidate
    if (distance === 0) break
    limit = distance - 1
  }
  return best
}

/** As `suggest`, of what lies in the same folder as the path. */
export function suggestPath(
  path: string,
  namesBeside: (path: string) => readonly string[],
): string | undefined {
  const { dir, base } = posix.parse(path)
  const near = suggest(base, namesBeside(path))
  return near && posix.join(dir, near)
}

/** "did you mean `x`?", or the list of what there is, or nothing where there is nothing. */
export function suggestionHint(word: string, known: readonly string[], label = 'known'): string | undefined {
  const near = suggest(word, known)
  if (near !== undefined) return `did you mean \`${near}\`?`
  if (known.length === 0) return undefined
  const shown = known.slice(0, 16).map((name) => `\`${name}\``)
  return `${label}: ${shown.join(', ')}${known.length > shown.length ? ', ...' : ''}`
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b` (optimal string alignment).
 * Gives up with `limit + 1` as soon as the distance must exceed `limit`.
 */
export function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    let least = row
    for (let column = 1; column <= b.length; column++) {
      const cost = a[row - 1] === b[column - 1] ? 0 : 1
      let distance = Math.min(last[column]! + 1, current[column - 1]! + 1, last[column - 1]! + cost)
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, beforeLast[column - 2]! + 1)
      }
      current.push(distance)
      least = Math.min(least, distance)
    }
    if (least > limit) return limit + 1
    beforeLast = last
    last = current
  }
  return last[b.length]!
}
