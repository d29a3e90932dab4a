import { defineStage, Type } from 'flow/stage'

/**
 * Trains a small decoder from nothing: documents are tokenised, joined behind end-of-text tokens, cut into windows
 * of `context` tokens and seen in random order. This is how `checkpoints/tiny-base` is made.
 */
export default defineStage({
  name: 'pretrain',
  description: 'Trains a small decoder (Qwen2 layout) from random weights on documents',
  inputs: {
    corpus: {
      type: ['documents', 'instructions', 'text'],
      description: 'What it reads; plain text is a document a line',
    },
    tokenizer: { type: 'tokenizer', description: 'Cuts the documents into tokens; copied into the model' },
  },
  outputs: {
    model: { type: 'model', description: 'Hugging Face folder' },
    log: { type: 'training-log', description: 'One row a step' },
  },
  params: Type.Object({
    hidden_size: Type.Integer({ minimum: 8, default: 128 }),
    layers: Type.Integer({ minimum: 1, default: 4 }),
    heads: Type.Integer({ minimum: 1, default: 4 }),
    kv_heads: Type.Integer({ minimum: 1, default: 2 }),
    intermediate_size: Type.Integer({ minimum: 8, default: 512 }),
    context: Type.Integer({ minimum: 8, default: 128, description: 'Tokens a window' }),
    batch_size: Type.Integer({ minimum: 1, default: 8, description: 'Windows a step' }),
    tokens: Type.Integer({ minimum: 1, default: 10_000_000, description: 'Tokens to train on' }),
    learning_rate: Type.Number({ exclusiveMinimum: 0, default: 3e-3 }),
    warmup_steps: Type.Integer({ minimum: 0, default: 100 }),
    min_lr_ratio: Type.Number({ minimum: 0, maximum: 1, default: 0.02 }),
    beta2: Type.Number({ exclusiveMinimum: 0, exclusiveMaximum: 1, default: 0.98 }),
    weight_decay: Type.Number({ minimum: 0, default: 0.05 }),
    max_grad_norm: Type.Number({ minimum: 0, default: 1 }),
    seed: Type.Integer({ default: 0 }),
  }),
  gpu: true,
  async run(context) {
    const { pretrain } = await import('./run.ts')
    await pretrain(context)
  },
})
