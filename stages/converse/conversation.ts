/** @file Questions of several turns, as MT-Bench's file has them. */
import { asString, fault, optional, parse, readList } from '../../lm/text/fields.ts'
import { type Message, promptMessages } from '../../lm/text/messages.ts'
import { parsePrompt, readFile } from '../../lm/text/rows.ts'

export interface Conversation {
  /** What each of its rows repeats: `id` and `category`, where they are given. */
  readonly labels: Readonly<Record<string, unknown>>
  /** What opens it, up to the user's first turn. */
  readonly opening: readonly Message[]
  /** The user's turns after the first. */
  readonly later: readonly string[]
  /** The right answers by turn, where they are known. */
  readonly references: readonly string[]
}

/**
 * `{turns: [...]}` is asked turn by turn, any other prompt has one turn. `reference` holds one right answer a turn.
 * @throws LmFailure `unreadable-file`, `invalid-row` with the line
 */
export function readConversations(file: string): readonly Conversation[] {
  return readFile(file, (row) =>
    parse(row, (fields): Conversation => {
      const parsed = parsePrompt(fields)
      if (parsed.fault !== undefined) fault(parsed.fault)
      const { id, prompt } = parsed.value
      const category = optional(fields, 'category', asString)
      return {
        labels: { ...(id !== undefined && { id }), ...(category !== undefined && { category }) },
        opening: promptMessages(prompt),
        later: (optional(fields, 'turns', asTexts) ?? []).slice(1),
        references: optional(fields, 'reference', asReferences) ?? [],
      }
    }),
  )
}

function asTexts(value: unknown, name: string): readonly string[] {
  return readList(value, name, asString)
}

function asReferences(value: unknown, name: string): readonly string[] {
  return typeof value === 'string' ? [value] : asTexts(value, name)
}
