/** @file A model scores answers against a rubric: self-rewarding's judge (arXiv 2401.10020). */
import { defineStage, Type } from 'flow/stage'
import { samplingParams } from '../sampling/params.ts'

export default defineStage({
  name: 'judge',
  description: 'Lets a model score answers by a rubric, several votes each',
  inputs: {
    model: 'model',
    adapter: { type: 'adapter', optional: true },
    responses: { type: 'responses', description: 'Candidates to score' },
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
        "The judge's prompt, with {question} and {reply} in it; `additive`: the five-point scale built in",
    }),
    opening: Type.String({
      default: '',
      description: 'What each verdict is made to begin with; `Score:` keeps small models to the point',
    }),
    score_pattern: Type.String({
      default: String.raw`(?:\*\*)?score(?:\*\*)?\s*[:：]\s*(?:\*\*)?\s*<?(\d+(?:\.\d+)?)>?(?!\d|\.\d|\s*/\s*(?!5\b)\d)`,
      description: 'Regular expression, any case; its first group is the score',
    }),
    minimum: Type.Number({ default: 0 }),
    maximum: Type.Number({ default: 5 }),
    votes: Type.Integer({ minimum: 1, default: 3, description: 'Verdicts a candidate, averaged' }),
    samples: Type.Integer({ minimum: 0, default: 20 }),
    ...samplingParams({ temperature: 0.7, top_p: 0.9, max_new_tokens: 256 }),
  }),
  gpu: true,
  async run(context) {
    const { judge } = await import('./run.ts')
    await judge(context)
  },
})
