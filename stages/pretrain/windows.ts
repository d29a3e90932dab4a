/** @file The token stream of a corpus, cut into training windows. */
import type { Tokenizer } from '../../lm/text/tokenizer.ts'

/**
 * Windows of `context + 1` tokens, each overlapping the next by one, so that each token but the first is a target
 * once. Every text is preceded by `separator`. Reads no more texts than `count` windows need.
 */
export async function cutWindows(
  texts: AsyncIterable<string>,
  tokenizer: Tokenizer,
  separator: number,
  context: number,
  count: number,
): Promise<number[][]> {
  const windows: number[][] = []
  let buffer: number[] = []
  for await (const text of texts) {
    buffer.push(separator, ...tokenizer.encode(text))
    let start = 0
    for (; start + context + 1 <= buffer.length && windows.length < count; start += context) {
      windows.push(buffer.slice(start, start + context + 1))
    }
    if (windows.length === count) break
    buffer = buffer.slice(start)
  }
  return windows
}
