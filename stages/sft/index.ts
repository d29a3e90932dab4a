/** @file Supervised fine-tuning: a LoRA adapter learns to answer as the rows do. */
import { defineStage, Type } from 'flow/stage'
import { trainingParams } from '../training/params.ts'

export default defineStage({
  name: 'sft',
  description: 'Fine-tunes a LoRA adapter on instructions',
  inputs: {
    model: { type: 'model', description: 'The frozen base' },
    data: { type: 'instructions', many: true, description: 'Rows to learn; several sets are joined' },
    adapter: { type: 'adapter', optional: true, description: 'Goes on from here instead of a fresh adapter' },
  },
  outputs: {
    adapter: { type: 'adapter', description: 'PEFT folder' },
    log: { type: 'training-log', description: 'One row an update' },
  },
  params: Type.Object({
    ...trainingParams({ epochs: 2, batch_size: 8, learning_rate: 2e-4, max_length: 1024 }),
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
  async run(context) {
    const { fineTune } = await import('./run.ts')
    await fineTune(context)
  },
})
