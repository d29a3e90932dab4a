/** @file Whose replies to the same questions are better, by a judge who sees each pair in both orders. */
import { defineStage, Type } from 'flow/stage'
import { endpointCosmetics, endpointParam, endpointSecrets } from '../sampling/endpoint/params.ts'
import { samplingParams } from '../sampling/params.ts'

export default defineStage({
  name: 'win-rate',
  description: 'Compares two sets of replies to the same questions by a judge, each pair in both orders',
  inputs: {
    model: { type: 'model', optional: true, description: 'The judge; not needed where an endpoint judges' },
    adapter: { type: 'adapter', optional: true, description: "The judge's" },
    a: {
      type: ['responses', 'replies'],
      description: 'Whose wins are counted; of several candidates the first',
    },
    b: { type: ['responses', 'replies'], description: 'What they are compared with' },
    rubric: { type: 'rubric', optional: true, description: 'Goes before the parameter `rubric`' },
  },
  outputs: {
    metrics: {
      type: 'metrics',
      description: 'win_rate with its interval of 95%, wins, ties, losses, unread, position bias, lengths',
    },
    verdicts: { type: 'jsonl', description: 'One row a question: {prompt, a, b, winner, judge_output, ...}' },
  },
  params: Type.Object({
    rubric: Type.String({
      default: 'pairwise',
      description: "The judge's prompt, with {question}, {reply_a} and {reply_b} in it; built in: `pairwise`",
    }),
    opening: Type.String({
      default: '',
      description: 'What each verdict is made to begin with; none: as the rubric says',
    }),
    score_from: Type.Union([Type.Literal('text'), Type.Literal('logits')], {
      default: 'text',
      description: '`logits`: the more probable of the two letters, whatever the judge would write',
    }),
    votes: Type.Integer({ minimum: 1, default: 1, description: 'Verdicts an order, averaged' }),
    ...samplingParams({ temperature: 0, top_p: 1, max_new_tokens: 256 }),
    endpoint: endpointParam,
  }),
  cosmetic: endpointCosmetics,
  secrets: endpointSecrets,
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { compareSets } = await import('./run.ts')
    await compareSets(context)
  },
})
