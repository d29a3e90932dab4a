/** @file What an online run asks: prompts as tokens, each with the row that it came from. */
import type { StageContext } from 'flow/stage'
import { StageFailure } from 'flow/stage'
import type { Model } from '../../../lm/model/model.ts'
import { encodePrompt } from '../../../lm/text/conversation.ts'
import { promptMessages } from '../../../lm/text/messages.ts'
import type { PromptRow } from '../../../lm/text/rows.ts'

export interface OnlinePrompt {
  readonly ids: readonly number[]
  readonly row: PromptRow
}

/**
 * Prompts that leave room for an answer; the others are counted and named.
 * @throws StageFailure `no-rows` where none is left
 */
export function encodePrompts(
  rows: readonly PromptRow[],
  { tokenizer, config }: Model,
  maxLength: number,
  { warn }: Pick<StageContext<object, object, object>, 'warn'>,
): OnlinePrompt[] {
  const most = Math.min(maxLength, config.maxPositions)
  const encoded = rows.map((row) => ({ row, ids: encodePrompt(tokenizer, promptMessages(row.prompt)) }))
  const tooLong = encoded.flatMap(({ ids }, index) => (ids.length < most ? [] : [index + 1]))
  if (tooLong.length === rows.length) {
    throw new StageFailure({
      code: 'no-rows',
      message: `every prompt fills the ${most} tokens that prompt and completion may have`,
      hint:
        most < config.maxPositions
          ? 'raise max_length'
          : 'shorten the prompts: the model has no more positions',
    })
  }
  if (tooLong.length > 0) {
    const named = tooLong.slice(0, 5).join(', ') + (tooLong.length > 5 ? ', ...' : '')
    warn(`${tooLong.length} prompts dropped, ${most} tokens or longer: ${named}`)
  }
  return encoded.filter(({ ids }) => ids.length < most)
}
