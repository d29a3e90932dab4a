/** @file A model scores answers against a rubric: self-rewarding's judge (arXiv 2401.10020). */
import { defineStage, Type } from 'flow/stage'
import { endpointCosmetics, endpointParam, endpointSecrets } from '../sampling/endpoint/params.ts'
import { samplingParams } from '../sampling/params.ts'

export default defineStage({
  name: 'judge',
  description: 'Lets a model score answers by a rubric, several votes each',
  inputs: {
    model: { type: 'model', optional: true, description: 'Not needed where an endpoint judges' },
    adapter: { type: 'adapter', optional: true },
    responses: { type: 'responses', description: 'Candidates to score' },
    rubric: { type: 'rubric', optional: true, description: 'Goes before the parameter `rubric`' },
  },
  outputs: {
    judged: { type: 'judged', description: 'Prompts with at least two scored candidates' },
    full: { type: 'judged-full', description: 'All prompts, with `has_valid_pair`' },
    samples: { type: 'samples', description: 'A random sample of judged candidates, to be read' },
  },
  params: Type.Object({
    rubric: Type.String({
      default: 'additive',
      description:
        "The judge's prompt, with {question} and {reply}, or {reply_a} and {reply_b}, in it; built in: `additive`, `pairwise`, `mt-bench`",
    }),
    opening: Type.String({
      default: '',
      description: 'What each verdict is made to begin with, `Score:` say; none: as the rubric says',
    }),
    score_from: Type.Union([Type.Literal('text'), Type.Literal('logits')], {
      default: 'text',
      description: '`logits`: the mean of all scores, weighed by their probabilities where the score stands',
    }),
    pairing: Type.Union([Type.Literal('round-robin'), Type.Literal('against-first')], {
      default: 'round-robin',
      description: 'Which candidates of a prompt a pairwise rubric compares',
    }),
    score_pattern: Type.Optional(
      Type.String({
        description: "Regular expression, any case; its first group is the verdict; default: the rubric's",
      }),
    ),
    minimum: Type.Optional(Type.Number({ description: "Lowest score; default: the rubric's, or 0" })),
    maximum: Type.Optional(Type.Number({ description: "Highest score; default: the rubric's, or 5" })),
    votes: Type.Integer({
      minimum: 1,
      default: 3,
      description: 'Verdicts a candidate, averaged; greedy ones are asked once',
    }),
    samples: Type.Integer({ minimum: 0, default: 20 }),
    ...samplingParams({ temperature: 0.7, top_p: 0.9, max_new_tokens: 256 }),
    endpoint: endpointParam,
  }),
  cosmetic: endpointCosmetics,
  secrets: endpointSecrets,
  gpu: true,
  async run(context) {
    const { judge } = await import('./run.ts')
    await judge(context)
  },
})
