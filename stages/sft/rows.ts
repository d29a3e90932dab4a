/** @file Instruction rows as weighted token sequences. */
import { StageFailure } from 'flow/stage'
import { encodeConversation } from '../../lm/text/conversation.ts'
import { type InstructionRow, readInstructions } from '../../lm/text/rows.ts'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'
import { truncateConversation } from '../../lm/text/truncate.ts'
import type { Sequence } from '../../lm/training/batch.ts'

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

export function readSequences(
  files: readonly string[],
  tokenizer: Tokenizer,
  settings: SequenceSettings,
): Sequences {
  const sequences: Sequence[] = []
  let dropped = 0
  let unmarkedTurns = 0
  for (const row of files.flatMap((file) => readInstructions(file))) {
    const encoded = encodeConversation(tokenizer, row.messages)
    unmarkedTurns += encoded.unmarkedTurns
    const cut = settings.trainOnPrompt
      ? {
          ...encoded,
          ids: encoded.ids.slice(0, settings.maxLength),
          assistant: encoded.assistant.slice(0, settings.maxLength),
        }
      : truncateConversation(encoded, settings.maxLength)
    if (cut === undefined || cut.ids.length < 2) {
      dropped++
      continue
    }
    const weights = settings.trainOnPrompt
      ? new Float32Array(cut.ids.length).fill(1)
      : Float32Array.from(cut.assistant)
    if (settings.emphasis !== undefined) emphasise(row, cut.ids, weights, tokenizer, settings.emphasis)
    sequences.push({ ids: cut.ids, weights })
  }
  return { sequences, dropped, unmarkedTurns }
}

/** Raises the weights of the counted tokens that spell the pattern's first group in the last answer. */
function emphasise(
  row: InstructionRow,
  ids: readonly number[],
  weights: Float32Array,
  tokenizer: Tokenizer,
  { pattern, weight }: { readonly pattern: RegExp; readonly weight: number },
): void {
  const answer = row.messages.at(-1)!.content
  const match = pattern.exec(answer)
  if (match?.indices?.[1] === undefined) return
  const [from, to] = match.indices[1]
  const first = weights.findLastIndex((each, position) => each > 0 && !(weights[position - 1]! > 0))
  let length = 0
  for (let position = first; position < ids.length && length < to; position++) {
    // Tokens up to here spell the answer up to here; a token that ends beyond `from` reaches into the group.
    length = tokenizer.decode(ids.slice(first, position + 1)).length
    if (length > from) weights[position] = weight
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
