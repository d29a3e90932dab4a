/** @file Answers prompts: several candidates each, with their tokens and log-probabilities. */
import { defineStage, Type } from 'flow/stage'
import { endpointCosmetics, endpointParam, endpointSecrets } from '../sampling/endpoint/params.ts'
import { samplingParams } from '../sampling/params.ts'

export default defineStage({
  name: 'generate',
  description: 'Samples answers to prompts',
  inputs: {
    model: { type: 'model', optional: true, description: 'Not needed where an endpoint writes' },
    adapter: { type: 'adapter', optional: true },
    prompts: { type: 'prompts', description: 'One conversation opening a row' },
  },
  outputs: {
    responses: {
      type: 'responses',
      description: 'Candidates, with token ids and log-probabilities unless an endpoint wrote them',
    },
  },
  params: Type.Object({
    candidates: Type.Integer({ minimum: 1, default: 4, description: 'Answers a prompt' }),
    limit: Type.Integer({ minimum: 0, default: 0, description: 'Takes the first so many prompts; 0: all' }),
    ...samplingParams({ temperature: 0.7, top_p: 0.9, max_new_tokens: 256 }),
    endpoint: endpointParam,
  }),
  cosmetic: endpointCosmetics,
  secrets: endpointSecrets,
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { sample } = await import('./run.ts')
    await sample(context)
  },
})
