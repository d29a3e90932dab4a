/** @file Two sets of replies brought together, question by question. */
import { StageFailure } from 'flow/stage'
import { asPrompt, asString, list, type Parsed, parse } from '../../lm/text/fields.ts'
import type { Prompt } from '../../lm/text/messages.ts'
import { readFile } from '../../lm/text/rows.ts'

export interface RepliedQuestion {
  readonly prompt: Prompt
  readonly reply: string
  readonly fields: Readonly<Record<string, unknown>>
}

export interface RepliedPair {
  readonly prompt: Prompt
  readonly a: string
  readonly b: string
  /** Of the question, for a rubric that shows the right answer. */
  readonly fields: Readonly<Record<string, unknown>>
}

/** @throws StageFailure `different-questions`, LmFailure `invalid-row` */
export function pairReplies(fileA: string, fileB: string): readonly RepliedPair[] {
  const [a, b] = [readFile(fileA, parseReply), readFile(fileB, parseReply)]
  if (a.length !== b.length) {
    throw different(fileB, `has ${b.length} rows, the other set of replies ${a.length}`)
  }
  return a.map(({ prompt, reply, fields }, row) => {
    const other = b[row]!
    if (JSON.stringify(prompt) !== JSON.stringify(other.prompt)) {
      throw different(fileB, 'answers another question than the other set of replies', row + 1)
    }
    return { prompt, a: reply, b: other.reply, fields }
  })
}

function different(file: string, what: string, row?: number): StageFailure {
  return new StageFailure({
    code: 'different-questions',
    message: row === undefined ? what : `row ${row} ${what}`,
    hint: 'both sets must answer the same questions in the same order',
    file,
  })
}

/** A row of `replies`, or of `responses`, of which the first candidate counts. */
function parseReply(row: unknown): Parsed<RepliedQuestion> {
  return parse(row, (fields) => {
    const prompt = asPrompt(fields.prompt, '`prompt`')
    if (fields.responses === undefined) return { prompt, reply: asString(fields.reply, '`reply`'), fields }
    const [first] = list(fields, 'responses', (value, name) =>
      asString((value as { readonly text?: unknown } | null)?.text, `\`text\` of ${name}`),
    )
    return { prompt, reply: asString(first, 'the first of `responses`'), fields }
  })
}
