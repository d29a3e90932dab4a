/** @file Turns of published dialogues, brought into the shape that chat templates expect. */
import { asObject, asString, fault, readList } from '../fields.ts'
import type { Message, Role } from '../messages.ts'

/** Speakers of published data. A tool's report is input to the assistant; a call of a tool is its output. */
const ROLES: Readonly<Record<string, Role>> = {
  human: 'user',
  user: 'user',
  observation: 'user',
  tool: 'user',
  gpt: 'assistant',
  assistant: 'assistant',
  chatgpt: 'assistant',
  bard: 'assistant',
  bing: 'assistant',
  function_call: 'assistant',
  system: 'system',
}

/** `[{from, value}]` or `[{role, content}]`. */
export function readTurns(value: unknown, name: string): readonly Message[] {
  const turns = readList(value, name, readTurn)
  if (turns.length === 0) fault(`${name} is an empty list`)
  return turns
}

export function readTurn(value: unknown, name: string): Message {
  const turn = asObject(value, name)
  const [speakerField, textField] = 'from' in turn ? ['from', 'value'] : ['role', 'content']
  const speaker = asString(turn[speakerField], `\`${speakerField}\` of ${name}`)
  const role = Object.hasOwn(ROLES, speaker) ? ROLES[speaker] : undefined
  if (!role) fault(`${name} is spoken by \`${speaker}\`, who is unknown`)
  return { role, content: asString(turn[textField], `\`${textField}\` of ${name}`) }
}

export interface MendedTurns {
  readonly messages: readonly Message[]
  readonly repairs: readonly string[]
}

/** Speech before the first user's turn has no prompt and goes; one speaker's turns in a row become one. */
export function mendTurns(turns: readonly Message[]): MendedTurns {
  const repairs = new Set<string>()
  const messages: Message[] = []
  for (const turn of turns) {
    const previous = messages.at(-1)
    const isBeforeUser = turn.role === 'assistant' && !messages.some(({ role }) => role === 'user')
    if (isBeforeUser) {
      repairs.add("the assistant's turns before the first user's dropped")
    } else if (previous?.role === turn.role) {
      messages[messages.length - 1] = { role: turn.role, content: `${previous.content}\n\n${turn.content}` }
      repairs.add("one speaker's turns in a row joined")
    } else {
      messages.push(turn)
    }
  }
  return { messages, repairs: [...repairs] }
}

/** As `mendTurns`, for a dialogue to learn from: what follows the last answer goes too. */
export function mendDialogue(turns: readonly Message[]): MendedTurns {
  const { messages, repairs } = mendTurns(turns)
  const end = messages.findLastIndex(({ role }) => role === 'assistant') + 1
  if (end === 0) fault("holds no answer of the assistant's to a user's turn")
  if (end === messages.length) return { messages, repairs }
  return { messages: messages.slice(0, end), repairs: [...repairs, 'turns after the last answer dropped'] }
}
