/** @file Messages of a conversation, and the shapes in which a row may give them. */

export type Role = 'system' | 'user' | 'assistant'

export interface Message {
  readonly role: Role
  readonly content: string
}

/** A prompt as rows carry it: a string is one user turn. */
export type Prompt = string | readonly Message[]

/** An alpaca row; `system` and `history` (earlier question and answer pairs) are optional. */
export interface AlpacaRow {
  readonly instruction: string
  readonly input?: string
  readonly output: string
  readonly system?: string
  readonly history?: readonly (readonly [string, string])[]
}

export function isRole(value: unknown): value is Role {
  return value === 'system' || value === 'user' || value === 'assistant'
}

export function promptMessages(prompt: Prompt): readonly Message[] {
  return typeof prompt === 'string' ? [{ role: 'user', content: prompt }] : prompt
}

/** The shortest shape of a prompt: a string where it is a single user turn. */
export function compactPrompt(messages: readonly Message[]): Prompt {
  const [first] = messages
  return messages.length === 1 && first?.role === 'user' ? first.content : messages
}

/** What the user says in an alpaca row: the instruction, and its input on the next line where there is one. */
export function alpacaUserTurn(instruction: string, input = ''): string {
  return input === '' ? instruction : `${instruction}\n${input}`
}

export function alpacaMessages(row: AlpacaRow): Message[] {
  const messages: Message[] = []
  if (row.system !== undefined && row.system !== '') messages.push({ role: 'system', content: row.system })
  for (const [question, answer] of row.history ?? []) {
    messages.push({ role: 'user', content: question }, { role: 'assistant', content: answer })
  }
  messages.push({ role: 'user', content: alpacaUserTurn(row.instruction, row.input) })
  messages.push({ role: 'assistant', content: row.output })
  return messages
}
