/** @file What the judge is shown of a row besides the replies: the question, and the right answer where it is asked for. */
import { StageFailure } from 'flow/stage'
import type { Rubric } from '../../lm/judging/rubric.ts'
import { type Prompt, promptMessages } from '../../lm/text/messages.ts'

/** A row with a prompt; `reference` or `answer` may stand beside it. */
export interface RowToJudge {
  readonly prompt: Prompt
}

export interface Question {
  readonly question: string
  readonly reference?: string
}

export function questionOf(row: RowToJudge): Question {
  const reference = referenceOf(row)
  return { question: questionText(row.prompt), ...(reference !== undefined && { reference }) }
}

/** The user's turns; of a conversation that has been answered in part, all turns, each with who speaks. */
export function questionText(prompt: Prompt): string {
  const turns = promptMessages(prompt).filter(({ role }) => role !== 'system')
  if (!turns.some(({ role }) => role === 'assistant')) return turns.map(({ content }) => content).join('\n')
  return turns
    .map(({ role, content }) => `${role === 'user' ? 'User' : 'Assistant'}: ${content}`)
    .join('\n\n')
}

function referenceOf(row: object): string | undefined {
  const { reference, answer } = row as { readonly reference?: unknown; readonly answer?: unknown }
  const given = reference ?? answer
  return typeof given === 'string' ? given : typeof given === 'number' ? String(given) : undefined
}

/** @throws StageFailure `no-reference` where the rubric shows the right answer and a row has none */
export function checkReferences(rubric: Rubric, rows: readonly RowToJudge[], file: string): void {
  if (!rubric.usesReference) return
  const without = rows.findIndex((row) => referenceOf(row) === undefined)
  if (without === -1) return
  throw new StageFailure({
    code: 'no-reference',
    message: `the rubric shows the judge the right answer, and row ${without + 1} has none`,
    hint: 'give each row a `reference` or an `answer`, or take a rubric without {reference}',
    file,
  })
}
