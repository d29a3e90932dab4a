/** @file Rotary embeddings as a `config.json` states them, in the fields of transformers 5 or of those before. */
import type { AttentionKind } from './config.ts'
import type { ConfigFields } from './config-fields.ts'

/** How frequencies are stretched for texts longer than those of pre-training. */
export type RotaryScaling =
  /** Every frequency divided by `factor` (arXiv 2306.15595). */
  | { readonly type: 'linear'; readonly factor: number }
  /** Llama 3: low frequencies divided by `factor`, high ones kept, those between blended. */
  | {
      readonly type: 'llama3'
      readonly factor: number
      readonly lowFrequencyFactor: number
      readonly highFrequencyFactor: number
      /** Positions that the model was pre-trained with. */
      readonly originalPositions: number
    }

export interface RotaryConfig {
  readonly theta: number
  readonly scaling?: RotaryScaling
}

export interface RotaryDefaults {
  /** @default 10,000 */
  readonly theta?: number
  /**
   * A further name of unscaled embeddings: `mrope` gives a text's tokens three equal positions, which is as good as
   * one.
   */
  readonly plainType?: string
}

/** One rotation for all layers: `rope_scaling` or `rope_parameters`, with `rope_theta` in it or beside it. */
export function readRotary(
  fields: ConfigFields,
  defaults: RotaryDefaults = {},
): Record<AttentionKind, RotaryConfig> {
  fields.only('partial_rotary_factor', 1)
  const theta = fields.positive('rope_theta', defaults.theta ?? 10_000)
  const parameters = fields.object('rope_scaling') ?? fields.object('rope_parameters')
  const rotary = parameters === undefined ? { theta } : rotaryOf(parameters, theta, defaults.plainType)
  return { full: rotary, sliding: rotary }
}

/** One object of rotary parameters. */
export function rotaryOf(
  parameters: ConfigFields,
  defaultTheta: number,
  plainType = 'default',
): RotaryConfig {
  parameters.only('partial_rotary_factor', 1)
  const theta = parameters.positive('rope_theta', defaultTheta)
  const typeField = parameters.get('rope_type') === undefined ? 'type' : 'rope_type'
  const type = parameters.get(typeField) ?? 'default'
  if (type === 'default' || type === plainType) return { theta }
  if (type === 'linear') return { theta, scaling: { type, factor: parameters.positive('factor') } }
  if (type === 'llama3') {
    return {
      theta,
      scaling: {
        type,
        factor: parameters.positive('factor'),
        lowFrequencyFactor: parameters.positive('low_freq_factor'),
        highFrequencyFactor: parameters.positive('high_freq_factor'),
        originalPositions: parameters.count('original_max_position_embeddings'),
      },
    }
  }
  return parameters.refuse(typeField, 'supported: default, linear, llama3')
}
