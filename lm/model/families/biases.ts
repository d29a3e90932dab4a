/** @file Fields that give projections a bias. */
import type { ConfigFields } from '../config-fields.ts'
import type { Projection } from '../layout.ts'

export const queryKeyValue: readonly Projection[] = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
]

/** `attention_bias`: q, k, v and o. */
export function attentionBiases(fields: ConfigFields): readonly Projection[] {
  return fields.flag('attention_bias') ? [...queryKeyValue, 'self_attn.o_proj'] : []
}

/** `mlp_bias`: all three of the feed-forward. */
export function feedForwardBiases(fields: ConfigFields): readonly Projection[] {
  return fields.flag('mlp_bias') ? ['mlp.gate_proj', 'mlp.up_proj', 'mlp.down_proj'] : []
}
