/** @file Rewards that a rule decides: 1 where a completion is right, 0 where it is not. */
import { StageFailure } from 'flow/stage'
import {
  compilePattern,
  defaultAnswerPattern,
  exactMatch,
  finalAnswer,
  goldAnswer,
} from '../../lm/evaluation/final-answer.ts'
import { numericAnswer, sameNumber } from '../../lm/evaluation/numeric-answer.ts'
import type { Reward, RewardInput } from './reward.ts'

export interface RuleSettings {
  readonly rule: 'exact_match' | 'numeric' | 'matches'
  readonly answer_pattern?: string | undefined
  readonly pattern?: string | undefined
}

/** Whether the rule compares with the row's `answer`. */
export function needsAnswer({ rule }: RuleSettings): boolean {
  return rule !== 'matches'
}

/** @throws StageFailure `invalid-reward`; LmFailure `invalid-pattern` */
export function ruleReward(name: string, settings: RuleSettings): Reward {
  const isRight = verdict(name, settings)
  return { name, score: async (inputs) => inputs.map((input) => (isRight(input) ? 1 : 0)) }
}

function verdict(name: string, settings: RuleSettings): (input: RewardInput) => boolean {
  const { rule, answer_pattern, pattern } = settings
  if ((rule === 'matches') !== (pattern !== undefined)) {
    throw invalid(
      name,
      rule === 'matches' ? 'needs a `pattern`' : `is \`${rule}\`, which takes no \`pattern\``,
    )
  }
  if (answer_pattern !== undefined && rule !== 'exact_match') {
    throw invalid(name, `is \`${rule}\`, which takes no \`answer_pattern\``)
  }
  switch (rule) {
    case 'exact_match': {
      const answers = compilePattern(answer_pattern ?? defaultAnswerPattern)
      return ({ completion, row }) =>
        exactMatch(finalAnswer(completion, answers), goldAnswer(String(row.answer), answers))
    }
    case 'numeric':
      return ({ completion, row }) => sameNumber(numericAnswer(completion), numericAnswer(String(row.answer)))
    case 'matches': {
      const expression = compilePattern(pattern!, 'u')
      return ({ completion }) => expression.test(completion)
    }
  }
}

function invalid(name: string, what: string): StageFailure {
  return new StageFailure({
    code: 'invalid-reward',
    message: `reward \`${name}\` ${what}`,
    hint: '`pattern` belongs to `rule: matches`, `answer_pattern` to `rule: exact_match`',
  })
}
