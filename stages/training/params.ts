/** @file Parameters that every stage shares that trains an adapter, under the names that TRL's and PEFT's users know. */
import { Type } from 'flow/stage'
import { loraParams } from './lora.ts'
import { precisionParams } from './precision.ts'

export interface TrainingDefaults {
  readonly epochs: number
  readonly batch_size: number
  readonly learning_rate: number
  readonly max_length: number
}

export function trainingParams(defaults: TrainingDefaults) {
  return {
    epochs: Type.Integer({ minimum: 1, default: defaults.epochs }),
    max_steps: Type.Integer({ minimum: 0, default: 0, description: 'Stops after so many updates; 0: never' }),
    batch_size: Type.Integer({ minimum: 1, default: defaults.batch_size, description: 'Rows a micro-batch' }),
    gradient_accumulation_steps: Type.Integer({
      minimum: 1,
      default: 1,
      description: 'Micro-batches an update',
    }),
    learning_rate: Type.Number({ exclusiveMinimum: 0, default: defaults.learning_rate }),
    lr_scheduler: Type.Union([Type.Literal('linear'), Type.Literal('cosine'), Type.Literal('constant')], {
      default: 'linear',
    }),
    warmup: Type.Number({
      minimum: 0,
      default: 0.03,
      description: 'Below 1 a share of all updates, else a count',
    }),
    min_lr_ratio: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0,
      description: 'The rate falls no lower than this share of learning_rate',
    }),
    weight_decay: Type.Number({ minimum: 0, default: 0 }),
    max_grad_norm: Type.Number({ minimum: 0, default: 1, description: '0 clips nothing' }),
    max_length: Type.Integer({
      minimum: 8,
      default: defaults.max_length,
      description: 'Tokens a sequence; longer ones are cut at the end',
    }),
    shuffle: Type.Boolean({ default: true }),
    group_by_length: Type.Boolean({
      default: false,
      description: 'Rows of like length together: less padding',
    }),
    gradient_checkpointing: Type.Boolean({
      default: false,
      description:
        "Keeps of each layer only what enters it and computes the layer anew for the gradient: less memory, more time. TRL's default is true; here what is cheap to compute is computed anew even without it",
    }),
    seed: Type.Integer({ default: 0 }),
    ...precisionParams,
    lora: loraParams,
  }
}
