/** @file Inputs and outputs that GRPO and GSPO share; the stored completions of each are of a type of their own. */
import type { InputPort, OutputPort } from 'flow/stage'

export const startingPoint = {
  model: 'model',
  adapter: { type: 'adapter', optional: true, description: 'The policy to start from' },
} as const satisfies Record<string, string | InputPort>

export const onlineInputs = {
  prompts: { type: 'prompts', optional: true, description: 'Online: what the policy is to answer' },
  reward: {
    type: 'reward-function',
    optional: true,
    many: true,
    description: 'Online: functions that score completions',
  },
  judge_adapter: { type: 'adapter', optional: true, description: 'Online: what the model judges with' },
  rubric: { type: 'rubric', optional: true, description: 'Online: for `judge`' },
} as const satisfies Record<string, string | InputPort>

export const policyOutputs = {
  adapter: 'adapter',
  log: 'training-log',
  rollouts: { type: 'rollouts', description: 'Online: what the policy said in training' },
} as const satisfies Record<string, string | OutputPort>
