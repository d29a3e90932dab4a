/** @file Answers conversations turn by turn, as MT-Bench asks (arXiv 2306.05685). */
import { defineStage, Type } from 'flow/stage'
import { endpointCosmetics, endpointParam, endpointSecrets } from '../sampling/endpoint/params.ts'
import { samplingParams } from '../sampling/params.ts'

export default defineStage({
  name: 'converse',
  description: 'Answers questions of several turns, each with the conversation so far',
  inputs: {
    model: { type: 'model', optional: true, description: 'Not needed where an endpoint answers' },
    adapter: { type: 'adapter', optional: true },
    questions: {
      type: 'prompts',
      description: 'Rows with `turns`, all of them asked; other prompts have one',
    },
  },
  outputs: {
    responses: {
      type: 'responses',
      description:
        'One row a turn: the conversation up to it, the reply, and `turn` beside the fields of the question',
    },
  },
  params: Type.Object({
    limit: Type.Integer({ minimum: 0, default: 0, description: 'Takes the first so many questions; 0: all' }),
    ...samplingParams({ temperature: 0, top_p: 1, max_new_tokens: 512 }),
    endpoint: endpointParam,
  }),
  cosmetic: endpointCosmetics,
  secrets: endpointSecrets,
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { converse } = await import('./run.ts')
    await converse(context)
  },
})
