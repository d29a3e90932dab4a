/** @file Completions of the policy as it is now. */
import { type GenerationHooks, Generator } from '../../../lm/generate/generate.ts'
import type { LivePolicy } from '../../../lm/model/live-policy.ts'
import type { Tokenizer } from '../../../lm/text/tokenizer.ts'

export interface SampledCompletion {
  /** The end token included, where it ended by itself. */
  readonly ids: readonly number[]
  readonly finished: boolean
}

export interface Sampler {
  /**
   * One completion a prompt, in order.
   * @param prompts token ids
   * @param generation number of the generation batch, from 0: each draws from random sequences of its own
   */
  sample(
    prompts: readonly (readonly number[])[],
    generation: number,
    hooks: GenerationHooks,
  ): Promise<readonly SampledCompletion[]>
  dispose(): void
}

export interface SamplerSettings {
  readonly temperature: number
  readonly top_p: number
  readonly top_k: number
  readonly max_completion_length: number
  /** Tokens of prompt and completion together, at most. */
  readonly max_length: number
  readonly seed: number
}

/** Decoded together at most. */
const decodingBatch = 64

export function policySampler(
  { parameters }: LivePolicy,
  tokenizer: Tokenizer,
  settings: SamplerSettings,
): Sampler {
  const maxPositions = Math.min(parameters.config.maxPositions, settings.max_length)
  const generator = new Generator({ ...parameters, config: { ...parameters.config, maxPositions } })
  return {
    sample(prompts, generation, hooks) {
      const drawing = {
        temperature: settings.temperature,
        topP: settings.top_p,
        topK: settings.top_k,
        maxNewTokens: settings.max_completion_length,
        stopIds: tokenizer.stopIds,
        seed: `${settings.seed}/${generation}`,
        batchSize: decodingBatch,
      }
      return generator.generate(prompts, drawing, hooks)
    },
    dispose: () => generator.dispose(),
  }
}
