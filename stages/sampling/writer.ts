/** @file What writes answers to prompts: a loaded model or a served one, the same to generate, judge and evaluate. */
import type { Progress } from 'flow/stage'
import type { GenerationHooks } from '../../lm/generate/generate.ts'
import type { Prompt } from '../../lm/text/messages.ts'
import type { ModelContext } from '../model/open-model.ts'

/** The parameters of `samplingParams`, as a stage receives them. */
export interface SamplingParams {
  readonly temperature: number
  readonly top_p: number
  readonly top_k: number
  readonly max_new_tokens: number
  readonly batch_size: number
  readonly seed: number
}

/** What weights are rounded to while a loaded model writes. */
export const decodePrecisions = ['auto', 'fp32', 'int8', 'int4'] as const
export type DecodePrecisionParam = (typeof decodePrecisions)[number]

/** A token of an answer, with the tokens that might have stood in its place. */
export interface WeighedToken {
  readonly text: string
  readonly alternatives: readonly { readonly text: string; readonly logp: number }[]
}

export interface Written {
  readonly text: string
  /** Ended by itself, not at the longest length. */
  readonly finished: boolean
  /** Token ids and their log-probabilities, the end token included; a served model tells neither. */
  readonly ids?: number[]
  readonly logps?: number[]
  /** Where they were asked for, by a served model. */
  readonly tokens?: readonly WeighedToken[]
}

export interface WriteOptions {
  /** What each answer is made to begin with; part of its text, not of its tokens. */
  readonly opening?: string
  /** How many likely tokens a served model is to tell at each place. */
  readonly alternatives?: number
}

export type WriterContext = ModelContext

/** An answer's text up to a place where one of several choices follows, each given by all its spellings. */
export interface ChoiceRequest {
  readonly prompt: Prompt
  readonly before: string
  readonly choices: readonly (readonly string[])[]
}

export interface Writer {
  /** One answer a prompt, in order. */
  write(
    prompts: readonly Prompt[],
    params: SamplingParams,
    hooks: GenerationHooks,
    options?: WriteOptions,
  ): Promise<Written[]>
  /** How probable each choice is among all of a request's, summing to 1. A served model cannot be asked so. */
  choose?(
    requests: readonly ChoiceRequest[],
    batchSize: number,
    hooks: { readonly signal?: AbortSignal; progress?(done: number, total: number): void },
  ): Promise<number[][]>
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
