/** @file Supervised fine-tuning: a LoRA adapter learns to answer as the rows do. */
import { defineStage, Type } from 'flow/stage'
import { mixParams } from '../training/mix.ts'
import { trainingParams } from '../training/params.ts'
import { validationParams } from '../training/validation.ts'

export default defineStage({
  name: 'sft',
  description: 'Fine-tunes a LoRA adapter on instructions',
  inputs: {
    model: { type: 'model', description: 'The frozen base' },
    data: {
      type: 'instructions',
      many: true,
      description: 'Rows to learn; several sets are joined, or mixed by `mix`',
    },
    validation: { type: 'instructions', optional: true, description: 'Held-out rows, measured as it trains' },
    adapter: { type: 'adapter', optional: true, description: 'Goes on from here instead of a fresh adapter' },
  },
  outputs: {
    adapter: { type: 'adapter', description: 'PEFT folder' },
    log: { type: 'training-log', description: 'A row an update and a row an evaluation' },
  },
  params: Type.Object({
    ...trainingParams({ epochs: 2, batch_size: 8, learning_rate: 2e-4, max_length: 1024 }),
    ...validationParams,
    ...mixParams,
    loss_type: Type.Union([Type.Literal('nll'), Type.Literal('dft')], {
      default: 'nll',
      description: 'dft: dynamic fine-tuning, each token weighted by its own probability',
    }),
    packing: Type.Boolean({
      default: false,
      description: 'Several rows in one sequence of max_length, each apart from the others: less padding',
    }),
    packing_strategy: Type.Union([Type.Literal('bfd'), Type.Literal('wrapped')], {
      default: 'bfd',
      description:
        'bfd: whole rows, best fit decreasing; wrapped: in their order, cut where a sequence is full',
    }),
    neftune_noise_alpha: Type.Number({
      minimum: 0,
      default: 0,
      description: 'Noise on the embeddings (NEFTune), 5 to 15 where it is used; 0: none',
    }),
    train_on_prompt: Type.Boolean({
      default: false,
      description: 'Loss over the whole sequence instead of the assistant only',
    }),
    emphasis: Type.Optional(
      Type.Object(
        {
          pattern: Type.String({
            description: 'Regular expression on the answer; its first group is emphasised',
          }),
          weight: Type.Number({ exclusiveMinimum: 0 }),
        },
        { description: 'Tokens that count for more in the loss' },
      ),
    ),
  }),
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { fineTune } = await import('./run.ts')
    await fineTune(context)
  },
})
