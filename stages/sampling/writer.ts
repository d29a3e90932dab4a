/** @file A loaded model that answers prompts: what generate, judge, evaluate and chat have in common. */
import type { Progress } from 'flow/stage'
import { type Generated, type GenerationHooks, generate } from '../../lm/generate/generate.ts'
import { loadAdapter, mergeAdapter } from '../../lm/model/adapter.ts'
import type { DecoderParameters } from '../../lm/model/decoder.ts'
import { loadModel } from '../../lm/model/model.ts'
import { startDevice } from '../../lm/tensor/device.ts'
import { encodePrompt } from '../../lm/text/conversation.ts'
import { type Prompt, promptMessages } from '../../lm/text/messages.ts'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'

/** The parameters of `samplingParams`, as a stage receives them. */
export interface SamplingParams {
  readonly temperature: number
  readonly top_p: number
  readonly top_k: number
  readonly max_new_tokens: number
  readonly batch_size: number
  readonly seed: number
}

export interface Written extends Generated {
  readonly text: string
}

export interface WriterContext {
  readonly device: string
  readonly threads: number
  log(message: string): void
}

export interface Writer {
  readonly tokenizer: Tokenizer
  /** Tokens that a prompt and its answer may have together. */
  readonly maxPositions: number
  /**
   * One answer a prompt, in order.
   * @param opening what each answer is made to begin with; part of its text, not of its tokens
   */
  write(
    prompts: readonly Prompt[],
    params: SamplingParams,
    hooks: GenerationHooks,
    opening?: string,
  ): Promise<Written[]>
}

export async function openWriter(
  inputs: { readonly model: string; readonly adapter: string | undefined },
  context: WriterContext,
): Promise<Writer> {
  const device = await startDevice(context.device, context.threads)
  context.log(`device ${device.name}: ${device.reason}`)
  const model = loadModel(inputs.model)
  const parameters: DecoderParameters =
    inputs.adapter === undefined
      ? { config: model.config, weights: model.weights }
      : mergeAdapter(model, loadAdapter(inputs.adapter, model.config))
  const { tokenizer } = model
  return {
    tokenizer,
    maxPositions: model.config.maxPositions,
    async write(prompts, params, hooks, opening = '') {
      const begun = tokenizer.encode(opening)
      const ids = prompts.map((prompt) => [...encodePrompt(tokenizer, promptMessages(prompt)), ...begun])
      const settings = {
        temperature: params.temperature,
        topP: params.top_p,
        topK: params.top_k,
        maxNewTokens: params.max_new_tokens,
        batchSize: params.batch_size,
        seed: params.seed,
        stopIds: tokenizer.stopIds,
      }
      const answers = await generate(parameters, ids, settings, hooks)
      return answers.map((answer) => ({ ...answer, text: opening + answerText(tokenizer, answer) }))
    },
  }
}

/** The answer without the token that ended it. */
export function answerText(
  tokenizer: Tokenizer,
  { ids, finished }: { readonly ids: readonly number[]; readonly finished: boolean },
): string {
  return tokenizer.decode(finished ? ids.slice(0, -1) : ids, { skipSpecial: true })
}

/** Generation's progress as a stage's. */
export function reportProgress(total: number, progress: (progress: Progress) => void, note?: string) {
  return (done: { prompts: number; tokensPerSecond: number }) =>
    progress({
      step: done.prompts,
      total,
      unit: 'answer',
      tokensPerSecond: done.tokensPerSecond,
      ...(note !== undefined && { note }),
    })
}
