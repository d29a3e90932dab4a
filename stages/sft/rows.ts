/** @file Instruction rows as weighted token sequences. */
import { StageFailure } from 'flow/stage'
import type { Sequence } from '../../lm/batches/sequence.ts'
import { type EncodedConversation, encodeConversation } from '../../lm/text/conversation.ts'
import { readInstructions } from '../../lm/text/rows.ts'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'
import { truncateConversation } from '../../lm/text/truncate.ts'

export interface SequenceSettings {
  readonly maxLength: number
  readonly trainOnPrompt: boolean
  readonly emphasis: { readonly pattern: RegExp; readonly weight: number } | undefined
}

export interface Sequences {
  readonly sequences: readonly Sequence[]
  /** Rows in which no token of the assistant was left after truncation. */
  readonly dropped: number
  /** Assistant turns that the chat template rewrites later on, and that are therefore not trained. */
  readonly unmarkedTurns: number
}

export function readSequences(file: string, tokenizer: Tokenizer, settings: SequenceSettings): Sequences {
  const sequences: Sequence[] = []
  let dropped = 0
  let unmarkedTurns = 0
  for (const row of readInstructions(file)) {
    const encoded = encodeConversation(tokenizer, row.messages)
    unmarkedTurns += encoded.unmarkedTurns
    if (!settings.trainOnPrompt && truncateConversation(encoded, settings.maxLength) === undefined) {
      dropped++
      continue
    }
    const weights = settings.trainOnPrompt
      ? new Float32Array(encoded.ids.length).fill(1)
      : Float32Array.from(encoded.assistant)
    if (settings.emphasis !== undefined) emphasise(encoded, weights, tokenizer, settings.emphasis)
    sequences.push({
      ids: encoded.ids.slice(0, settings.maxLength),
      weights: weights.subarray(0, settings.maxLength),
    })
  }
  return { sequences, dropped, unmarkedTurns }
}

/**
 * Sets the weights of the tokens that spell the pattern's first group in the last answer. The pattern sees the answer
 * as its tokens decode, and so its positions are theirs whatever the tokenizer normalises.
 */
function emphasise(
  { ids, assistant }: EncodedConversation,
  weights: Float32Array,
  tokenizer: Tokenizer,
  { pattern, weight }: { readonly pattern: RegExp; readonly weight: number },
): void {
  const start = assistant.findLastIndex((each, position) => each === 1 && assistant[position - 1] !== 1)
  if (start === -1) return
  const turn = ids.slice(start)
  const ended = tokenizer.endOfTurnId === undefined ? -1 : turn.lastIndexOf(tokenizer.endOfTurnId)
  const answer = ended === -1 ? turn : turn.slice(0, ended)
  const span = pattern.exec(tokenizer.decode(answer))?.indices?.[1]
  if (span === undefined) return
  const [from, to] = span
  for (let index = 0, length = 0; index < answer.length && length < to; index++) {
    length = tokenizer.decode(answer.slice(0, index + 1)).length
    // Its text ends beyond where the group begins.
    if (length > from) weights[start + index] = weight
  }
}

/** The pattern of a parameter, with the positions of its groups. */
export function emphasisPattern(source: string): RegExp {
  try {
    return new RegExp(source, 'd')
  } catch (error) {
    throw new StageFailure({
      code: 'invalid-pattern',
      message: `\`emphasis.pattern\` is no regular expression: ${(error as Error).message}`,
      hint: 'example: Score: ([0-5])$',
    })
  }
}
