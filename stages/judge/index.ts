/** @file A model scores answers against a rubric: self-rewarding's judge (arXiv 2401.10020). */
import { defineStage, Type } from 'flow/stage'
import { endpointCosmetics, endpointParam, endpointSecrets } from '../sampling/endpoint/params.ts'
import { scoringParams } from './params.ts'

export default defineStage({
  name: 'judge',
  description: 'Lets a model score answers by a rubric, several votes each',
  inputs: {
    model: { type: 'model', optional: true, description: 'Not needed where an endpoint judges' },
    adapter: { type: 'adapter', optional: true },
    responses: { type: 'responses', description: 'Candidates to score' },
    rubric: { type: 'rubric', optional: true, description: 'Goes before the parameter `rubric`' },
    labels: {
      type: ['preferences', 'rewards'],
      optional: true,
      description: 'Pairs or scores that are known to be right: the judge is measured by them',
    },
  },
  outputs: {
    judged: { type: 'judged', description: 'Prompts with at least two scored candidates' },
    full: { type: 'judged-full', description: 'All prompts, with `has_valid_pair`' },
    samples: { type: 'samples', description: 'A random sample of judged candidates, to be read' },
    diagnostics: {
      type: 'metrics',
      description:
        'Agreement of the votes, biases of length, place and source, histogram; accuracy by the labels',
    },
  },
  params: Type.Object({
    ...scoringParams(),
    pairing: Type.Union([Type.Literal('round-robin'), Type.Literal('against-first')], {
      default: 'round-robin',
      description: 'Which candidates of a prompt a pairwise rubric compares',
    }),
    samples: Type.Integer({ minimum: 0, default: 20 }),
    own_source: Type.String({
      default: '',
      description:
        '`source` of the candidates that the judging model wrote itself, to measure self-preference by',
    }),
    endpoint: endpointParam,
  }),
  cosmetic: endpointCosmetics,
  secrets: endpointSecrets,
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { judge } = await import('./run.ts')
    await judge(context)
  },
})
