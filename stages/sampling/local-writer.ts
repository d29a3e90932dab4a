/** @file A loaded model that answers prompts: what generate, judge, evaluate and chat have in common. */
import { continuationLogps, sharesOf } from '../../lm/generate/continuations.ts'
import { type Generated, Generator } from '../../lm/generate/generate.ts'
import { loadAdapter, mergeAdapter } from '../../lm/model/adapter.ts'
import type { DecoderParameters } from '../../lm/model/decoder.ts'
import { encodePrompt } from '../../lm/text/conversation.ts'
import { promptMessages } from '../../lm/text/messages.ts'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'
import { openDevice } from '../device/open-device.ts'
import { openModel } from '../model/open-model.ts'
import type { ChoiceRequest, DecodePrecisionParam, Writer, WriterContext, Written } from './writer.ts'

type LocallyWritten = Written & Generated

export interface LocalWriter extends Writer {
  readonly tokenizer: Tokenizer
  /** Tokens that a prompt and its answer may have together. */
  readonly maxPositions: number
  write(...request: Parameters<Writer['write']>): Promise<LocallyWritten[]>
  choose(...request: Parameters<NonNullable<Writer['choose']>>): Promise<number[][]>
  /** Gives up what it has compiled; the parameters stay the caller's. */
  dispose(): void
}

export async function openWriter(
  inputs: {
    readonly model: string
    readonly adapter: string | undefined
    readonly precision: DecodePrecisionParam
  },
  context: WriterContext,
): Promise<LocalWriter> {
  const device = await openDevice(context)
  const { model, isShared } = openModel(inputs.model, device, context)
  const merged =
    inputs.adapter === undefined
      ? undefined
      : mergeAdapter(model, loadAdapter(inputs.adapter, model.config), { consume: !isShared })
  const parameters: DecoderParameters = merged ?? { config: model.config, weights: model.weights }
  const writer = writerOf(parameters, model.tokenizer, inputs.precision)
  context.atEnd?.(() => {
    writer.dispose()
    merged?.dispose()
    return undefined
  })
  return writer
}

/**
 * A writer of parameters that are loaded already; they may change between its answers.
 * @throws LmFailure `unsupported-precision`
 */
export function writerOf(
  parameters: DecoderParameters,
  tokenizer: Tokenizer,
  precision: DecodePrecisionParam,
): LocalWriter {
  // Exact weights give the same answers on every machine that computes in fp32, and to every batch.
  const generator = new Generator(parameters, precision === 'auto' ? 'fp32' : precision)
  return {
    tokenizer,
    maxPositions: parameters.config.maxPositions,
    async write(prompts, params, hooks, { opening = '' } = {}) {
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
      const answers = await generator.generate(ids, settings, hooks)
      return answers.map((answer) => ({ ...answer, text: opening + answerText(tokenizer, answer) }))
    },
    async choose(requests, batchSize, hooks) {
      const spelled = requests.map((request) => spellings(tokenizer, request))
      const asked = spelled.map(({ prompt, choices }) => ({ prompt, continuations: choices.flat() }))
      const logps = await continuationLogps(parameters, asked, batchSize, hooks)
      return spelled.map(({ choices }, request) => {
        let next = 0
        return sharesOf(
          choices.map((sequences) => sequences.map((tokens) => ({ tokens, logp: logps[request]![next++]! }))),
        )
      })
    },
    dispose: () => generator.dispose(),
  }
}

/** The answer without the token that ended it. */
export function answerText(
  tokenizer: Tokenizer,
  { ids, finished }: { readonly ids: readonly number[]; readonly finished: boolean },
): string {
  return tokenizer.decode(finished ? ids.slice(0, -1) : ids, { skipSpecial: true })
}

/**
 * The choices as tokens. Each is tokenised together with the text before it, since a tokenizer may glue a space to
 * what follows; the tokens that all of them begin with belong to the prompt.
 */
function spellings(tokenizer: Tokenizer, { prompt, before, choices }: ChoiceRequest) {
  const whole = choices.map((texts) => texts.map((text) => tokenizer.encode(before + text)))
  const all = whole.flat()
  let shared = 0
  while (all.every((ids) => shared < ids.length - 1 && ids[shared] === all[0]![shared])) shared++
  return {
    prompt: [...encodePrompt(tokenizer, promptMessages(prompt)), ...all[0]!.slice(0, shared)],
    choices: whole.map((sequences) => sequences.map((ids) => ids.slice(shared))),
  }
}
