/** @file Parameters of every stage that lets a model write. */
import { Type } from 'flow/stage'
import { decodePrecisions } from './writer.ts'

export interface SamplingDefaults {
  readonly temperature: number
  readonly top_p: number
  readonly max_new_tokens: number
}

export function samplingParams(defaults: SamplingDefaults) {
  return {
    temperature: Type.Number({ minimum: 0, default: defaults.temperature, description: '0 is greedy' }),
    top_p: Type.Number({ exclusiveMinimum: 0, maximum: 1, default: defaults.top_p }),
    top_k: Type.Integer({ minimum: 0, default: 0, description: '0 keeps the whole vocabulary' }),
    max_new_tokens: Type.Integer({ minimum: 1, default: defaults.max_new_tokens }),
    batch_size: Type.Integer({ minimum: 1, default: 64, description: 'Prompts decoded together' }),
    seed: Type.Integer({ default: 0 }),
    decode_precision: Type.Union(
      decodePrecisions.map((each) => Type.Literal(each)),
      {
        default: 'auto',
        description:
          'Of the weights while a loaded model writes; `auto` is fp32, the others are faster and less exact',
      },
    ),
  }
}
