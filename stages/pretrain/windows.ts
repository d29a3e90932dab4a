/** @file The token stream of a corpus, cut into training windows. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'

/**
 * Windows of `context + 1` tokens, each overlapping the next by one, so that each token but the first is a target
 * once. Every document is preceded by `separator`. Reads no more of the corpus than `count` windows need.
 */
export async function readWindows(
  corpus: string,
  tokenizer: Tokenizer,
  separator: number,
  context: number,
  count: number,
): Promise<number[][]> {
  const windows: number[][] = []
  let buffer: number[] = []
  for await (const line of createInterface({
    input: createReadStream(corpus),
    crlfDelay: Number.POSITIVE_INFINITY,
  })) {
    if (line === '') continue
    const { text } = JSON.parse(line) as { text: string }
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
