/** @file How well a model predicts given texts. */
import { defineStage, Type } from 'flow/stage'

export default defineStage({
  name: 'perplexity',
  description: 'Measures how well a model predicts texts or answers',
  inputs: {
    model: 'model',
    adapter: { type: 'adapter', optional: true },
    data: {
      type: ['documents', 'instructions', 'text'],
      description: 'Texts, one a row; conversations, of which the answers count; or one long text',
    },
  },
  outputs: {
    metrics: { type: 'metrics', description: 'perplexity, nll, tokens, texts; of texts bits_per_byte' },
  },
  params: Type.Object({
    window: Type.Integer({
      minimum: 0,
      default: 0,
      description: 'Tokens that the model sees at once; 0: as many as it has positions',
    }),
    stride: Type.Integer({
      minimum: 0,
      default: 0,
      description:
        'Tokens from one window to the next; 0: half a window, so that each token has as much before it',
    }),
    whole_conversation: Type.Boolean({
      default: false,
      description: "Of conversations every token counts, not the assistant's only",
    }),
    limit: Type.Integer({ minimum: 0, default: 0, description: 'Takes the first so many texts; 0: all' }),
    batch_size: Type.Integer({ minimum: 1, default: 8, description: 'Windows read together' }),
  }),
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { measurePerplexity } = await import('./run.ts')
    await measurePerplexity(context)
  },
})
