/**
 * @file Truncation of a prompt together with its answer: one sequence, cut at its end. Cutting the two apart would
 * join the head of a prompt to an answer that belongs to its tail.
 */
import type { EncodedCompletion, EncodedConversation } from './conversation.ts'

/** Undefined where nothing of the completion is left. */
export function truncateCompletion(
  encoded: EncodedCompletion,
  maxLength: number,
): EncodedCompletion | undefined {
  const { prompt, completion } = encoded
  const room = maxLength - prompt.length
  if (room <= 0 || completion.length === 0) return undefined
  return completion.length <= room ? encoded : { prompt, completion: completion.slice(0, room) }
}

/** Undefined where no token of the assistant's is left to predict; the first token of a sequence is never predicted. */
export function truncateConversation(
  encoded: EncodedConversation,
  maxLength: number,
): EncodedConversation | undefined {
  const ids = encoded.ids.slice(0, maxLength)
  const assistant = encoded.assistant.slice(0, maxLength)
  if (!assistant.subarray(1).includes(1)) return undefined
  return { ...encoded, ids, assistant }
}
