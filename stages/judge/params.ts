/** @file Parameters of whatever lets a model score replies. */
import { Type } from 'flow/stage'
import { samplingParams } from '../sampling/params.ts'

export function scoringParams() {
  return {
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
    ...samplingParams({ temperature: 0.7, top_p: 0.9, max_new_tokens: 256 }),
  }
}
