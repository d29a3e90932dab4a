/** @file Measures a model on questions whose answers are known. */
import { defineStage, Type } from 'flow/stage'
import { endpointCosmetics, endpointParam, endpointSecrets } from '../sampling/endpoint/params.ts'
import { samplingParams } from '../sampling/params.ts'

export default defineStage({
  name: 'evaluate',
  description: 'Answers questions and compares the answers with the known ones',
  inputs: {
    model: { type: 'model', optional: true, description: 'Not needed where an endpoint answers' },
    adapter: { type: 'adapter', optional: true },
    questions: { type: 'questions', description: 'Questions with their answers' },
  },
  outputs: {
    metrics: {
      type: 'metrics',
      description: 'exact_match, answered, rouge_1, rouge_2, rouge_l, bleu, distinct_n, lengths, shares',
    },
    replies: {
      type: 'replies',
      description: 'Each question with its answer, the reply and whether it is right',
    },
  },
  params: Type.Object({
    match: Type.Union([Type.Literal('exact'), Type.Literal('normalised'), Type.Literal('numeric')], {
      default: 'exact',
      description:
        'What makes an answer right: as written, without case, punctuation and articles, or the last number',
    }),
    answer_pattern: Type.Optional(
      Type.String({
        description: 'Regular expression that finds the final answer in a reply; its first group',
      }),
    ),
    patterns: Type.Record(Type.String(), Type.String(), {
      default: {},
      description: 'Name -> regular expression: the share of replies that match is reported as share/NAME',
    }),
    limit: Type.Integer({ minimum: 0, default: 0, description: 'Takes the first so many questions; 0: all' }),
    ...samplingParams({ temperature: 0, top_p: 1, max_new_tokens: 256 }),
    endpoint: endpointParam,
  }),
  cosmetic: endpointCosmetics,
  secrets: endpointSecrets,
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { evaluate } = await import('./run.ts')
    await evaluate(context)
  },
})
