/** @file `flow chat`: a conversation with a model in the terminal. */
import { defineCommand } from 'flow/stage'

export default defineCommand({
  name: 'chat',
  description: 'Talk to a model: flow chat [--model FOLDER|HUB ID] [--adapter FOLDER|HUB ID]',
  options: {
    model: {
      type: 'string',
      default: 'checkpoints/tiny-base',
      description: 'Model folder, or org/name of the hub',
    },
    adapter: { type: 'string', description: 'Adapter to apply, likewise' },
    system: { type: 'string', description: 'System prompt' },
    temperature: { type: 'string', default: '0', description: '0 is greedy' },
    'top-p': { type: 'string', default: '0.9', description: 'Nucleus of the sampled tokens' },
    'max-new-tokens': { type: 'string', default: '256', description: 'Longest reply' },
    seed: { type: 'string', default: '0', description: 'Of the sampling' },
    'decode-precision': {
      type: 'string',
      default: 'auto',
      description: 'auto, fp32, int8 or int4; auto is fp32',
    },
    device: { type: 'string', default: 'auto', description: 'auto, cpu, webgpu, cuda or tensorflow' },
  },
  async run(context) {
    const { chat } = await import('./chat.ts')
    return chat(context)
  },
})
