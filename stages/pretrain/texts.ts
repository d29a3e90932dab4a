/** @file The texts of a corpus: `documents` rows, instructions as their conversations, or plain text. */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Message } from '../../lm/text/messages.ts'
import { parseInstruction, readInstructions } from '../../lm/text/rows.ts'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'

/**
 * What the file holds decides: an array or rows without `text` are instructions, rendered by the chat template; rows
 * with `text` are documents; anything else is plain text, a document a line. Documents and text are streamed.
 */
export async function* readTexts(corpus: string, tokenizer: Tokenizer): AsyncGenerator<string> {
  const render = (messages: readonly Message[]) => tokenizer.render(messages)
  for await (const line of linesOf(corpus)) {
    if (line.trim() === '') continue
    if (line.trimStart().startsWith('[')) {
      for (const { messages } of readInstructions(corpus)) yield render(messages)
      return
    }
    const row = rowOf(line)
    if (row === undefined) yield line
    else if (typeof row.text === 'string') yield row.text
    else yield render(parseInstruction(row).value!.messages)
  }
}

function linesOf(file: string): AsyncIterable<string> {
  return createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })
}

/** The JSON object on a line; undefined where the line is plain text. */
function rowOf(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return undefined
  }
}
