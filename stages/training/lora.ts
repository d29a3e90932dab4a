/** @file The `lora` parameter of the training stages: what a fresh adapter is like, in PEFT's terms. */
import { type Static, Type } from 'flow/stage'
import type { LoraSettings } from '../../lm/model/lora.ts'

const moduleNames = (options: { readonly description: string; readonly default?: readonly string[] }) =>
  Type.Union(
    [Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }), Type.String({ minLength: 1 })],
    options,
  )

export const loraParams = Type.Object(
  {
    r: Type.Integer({ minimum: 1, default: 8 }),
    alpha: Type.Number({ exclusiveMinimum: 0, default: 16 }),
    targets: moduleNames({
      default: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
      description:
        'Projections that carry an adapter: ends of names, a regular expression on whole names, or `all-linear`',
    }),
    exclude_modules: Type.Optional(moduleNames({ description: 'Those that carry none all the same' })),
    layers_to_transform: Type.Optional(
      Type.Array(Type.Integer({ minimum: 0 }), {
        minItems: 1,
        description: 'Layers that carry an adapter; goes with a list of targets',
      }),
    ),
    rslora: Type.Boolean({ default: false, description: 'Scales by alpha / sqrt(r) instead of alpha / r' }),
    dora: Type.Optional(Type.Boolean({ description: 'Trains magnitudes apart from directions' })),
    dropout: Type.Optional(
      Type.Number({
        minimum: 0,
        exclusiveMaximum: 1,
        description: "Share of its inputs that the adapter does not see in sft's training",
      }),
    ),
    rank_pattern: Type.Optional(
      Type.Record(Type.String(), Type.Integer({ minimum: 1 }), {
        description: 'Other ranks, by regular expressions on the ends of names',
      }),
    ),
    alpha_pattern: Type.Optional(
      Type.Record(Type.String(), Type.Number({ exclusiveMinimum: 0 }), {
        description: 'Other alphas, likewise',
      }),
    ),
  },
  { default: {}, description: 'The fresh adapter; a given one keeps its own settings' },
)

export type LoraParams = Static<typeof loraParams>

export function loraSettings(params: LoraParams): LoraSettings {
  const { exclude_modules: exclude, layers_to_transform: layers } = params
  const { rank_pattern: rankPattern, alpha_pattern: alphaPattern } = params
  return {
    r: params.r,
    alpha: params.alpha,
    rslora: params.rslora,
    dora: params.dora ?? false,
    dropout: params.dropout ?? 0,
    targets: params.targets,
    ...(exclude !== undefined && { exclude }),
    ...(layers !== undefined && { layers }),
    ...(rankPattern !== undefined && { rankPattern }),
    ...(alphaPattern !== undefined && { alphaPattern }),
  }
}
