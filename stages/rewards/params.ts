/** @file Parameters of a stage that scores completions. */
import { Type } from 'flow/stage'
import { scoringParams } from '../judge/params.ts'
import type { JudgeParams } from './judge.ts'
import type { RuleSettings } from './rule.ts'

export function rewardParams() {
  return {
    rewards: Type.Record(
      Type.String(),
      Type.Object({
        rule: Type.Union(
          [
            Type.Literal('exact'),
            Type.Literal('normalised'),
            Type.Literal('numeric'),
            Type.Literal('matches'),
          ],
          {
            description:
              'Whether the final answer is a right one (as `match` of evaluate), or a regular expression matches',
          },
        ),
        answer_pattern: Type.Optional(
          Type.String({ description: 'Finds the final answer; its first group' }),
        ),
        pattern: Type.Optional(Type.String({ description: 'For matches: a regular expression' })),
      }),
      { default: {}, description: 'Online: name -> rule that gives 1 or 0' },
    ),
    judge: Type.Optional(
      Type.Object(scoringParams(), {
        description:
          'Online: a reward called `judge`, the scores of the entering policy or of `judge_adapter`',
      }),
    ),
    reward_weights: Type.Record(Type.String(), Type.Number(), {
      default: {},
      description: 'Online: name -> weight of a reward; 1 where none is given',
    }),
    multi_objective_aggregation: Type.Union(
      [Type.Literal('sum_then_normalize'), Type.Literal('normalize_then_sum')],
      {
        default: 'sum_then_normalize',
        description: 'Online: whether rewards are summed first or compared first',
      },
    ),
  }
}

/** The parameters of `rewardParams`, as a stage receives them. */
export interface RewardParams {
  readonly rewards: Readonly<Record<string, RuleSettings>>
  readonly judge?: JudgeParams | undefined
  readonly reward_weights: Readonly<Record<string, number>>
}
