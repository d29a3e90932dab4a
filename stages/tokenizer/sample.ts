/** @file Reads an evenly spaced sample of a documents file, line by line. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

/**
 * The texts of `count` documents, spread evenly over the file (all of them where it holds no more). Equal files give
 * equal samples. A line that is no document throws: the artifact was validated before.
 */
export async function* sampleDocuments(file: string, count: number): AsyncGenerator<string> {
  let total = 0
  for await (const line of lines(file)) if (line.trim() !== '') total++
  let index = 0
  for await (const line of lines(file)) {
    if (line.trim() === '') continue
    const taken = total <= count || quota(index + 1) > quota(index)
    index++
    if (taken) yield (JSON.parse(line) as { text: string }).text
  }
  function quota(documents: number): number {
    return Math.floor((documents * count) / total)
  }
}

function lines(file: string) {
  return createInterface({ input: createReadStream(file, 'utf8'), crlfDelay: Number.POSITIVE_INFINITY })
}
