/** @file Puts an adapter into the weights of its model, and writes a model that needs no adapter. */
import { defineStage, Type } from 'flow/stage'

export default defineStage({
  name: 'merge',
  description: 'Merges an adapter into its model; without one, writes the model anew in another format',
  inputs: {
    model: 'model',
    adapter: { type: 'adapter', optional: true },
  },
  outputs: {
    model: { type: 'model', description: 'Hugging Face folder, or a GGUF file' },
  },
  params: Type.Object({
    format: Type.Union([Type.Literal('huggingface'), Type.Literal('gguf')], {
      default: 'huggingface',
      description: 'huggingface: a folder that transformers loads; gguf: a file that llama.cpp loads',
    }),
    dtype: Type.Union(
      ['auto', 'fp32', 'fp16', 'bf16', 'q8_0'].map((name) => Type.Literal(name)),
      {
        default: 'auto',
        description: 'Of the weights; auto: fp32 in a folder, fp16 in GGUF. q8_0 is for GGUF',
      },
    ),
    shard_size: Type.Number({
      exclusiveMinimum: 0,
      default: 5,
      description: 'Gigabytes (10^9 bytes) beyond which the weights of a folder go into several files',
    }),
  }),
  async run({ inputs, outputs, params, progress, log, warn }) {
    const { mergeModel } = await import('./merge.ts')
    await mergeModel({ ...inputs, out: outputs.model }, params, { progress, log, warn })
  },
})
