/** @file Rewards that a rule decides: 1 where a completion is right, 0 where it is not. */
import { StageFailure } from 'flow/stage'
import { compilePattern } from '../../lm/evaluation/final-answer.ts'
import { grader } from '../../lm/evaluation/grading.ts'
import { type AnsweredQuestion, answersOf } from '../../lm/evaluation/score-replies.ts'
import type { Reward, RewardInput } from './reward.ts'

/** `exact`, `normalised` and `numeric` as the evaluate stage has them; `matches` is a regular expression. */
export interface RuleSettings {
  readonly rule: 'exact' | 'normalised' | 'numeric' | 'matches'
  readonly answer_pattern?: string | undefined
  readonly pattern?: string | undefined
}

/** Whether the rule compares with the row's answers. */
export function needsAnswer({ rule }: RuleSettings): boolean {
  return rule !== 'matches'
}

/** @throws StageFailure `invalid-reward`; LmFailure `invalid-pattern` */
export function ruleReward(name: string, settings: RuleSettings): Reward {
  const isRight = verdict(name, settings)
  return { name, score: async (inputs) => inputs.map((input) => (isRight(input) ? 1 : 0)) }
}

function verdict(name: string, settings: RuleSettings): (input: RewardInput) => boolean {
  const { rule, answer_pattern: answerPattern, pattern } = settings
  if (rule === 'matches') {
    if (pattern === undefined) throw invalid(name, 'needs a `pattern`')
    if (answerPattern !== undefined) throw invalid(name, 'is `matches`, which takes no `answer_pattern`')
    const expression = compilePattern(pattern, 'u')
    return ({ completion }) => expression.test(completion)
  }
  if (pattern !== undefined) throw invalid(name, `is \`${rule}\`, which takes no \`pattern\``)
  const { isRight } = grader({ match: rule, answerPattern })
  // The rows have been read as questions.
  return ({ completion, row }) => isRight(completion, answersOf(row as unknown as AnsweredQuestion))
}

function invalid(name: string, what: string): StageFailure {
  return new StageFailure({
    code: 'invalid-reward',
    message: `reward \`${name}\` ${what}`,
    hint: '`pattern` belongs to `rule: matches`, `answer_pattern` to the rules that compare answers',
  })
}
