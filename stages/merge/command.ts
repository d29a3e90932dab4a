/** @file `flow merge`: an adapter into the weights of its model. */
import { defineCommand } from 'flow/stage'

export default defineCommand({
  name: 'merge',
  description:
    'Merge an adapter into its model: flow merge --model MODEL --adapter ADAPTER --out PATH [--format gguf]',
  options: {
    model: { type: 'string', description: 'Folder, GGUF file, or org/name of the hub' },
    adapter: {
      type: 'string',
      description: 'Adapter folder or hub id; without it, the model is written anew',
    },
    out: { type: 'string', description: 'Folder or .gguf file to write; must not be there yet' },
    format: { type: 'string', default: 'huggingface', description: 'huggingface or gguf' },
    dtype: {
      type: 'string',
      default: 'auto',
      description: 'fp32, fp16, bf16 or, in GGUF, q8_0 (auto: fp32, in GGUF fp16)',
    },
    'shard-size': {
      type: 'string',
      default: '5',
      description: 'Gigabytes beyond which a folder gets several files',
    },
  },
  async run(context) {
    const { runCommand } = await import('./run-command.ts')
    return await runCommand(context)
  },
})
