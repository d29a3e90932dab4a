/** @file All rewards of a stage: its rules, the user's own functions, a judge. */
import { basename } from 'node:path'
import { StageFailure } from 'flow/stage'
import { numericAnswer } from '../../lm/evaluation/numeric-answer.ts'
import { type PromptRow, readPrompts, readQuestions } from '../../lm/text/rows.ts'
import { moduleReward } from './module.ts'
import type { RewardParams } from './params.ts'
import type { Reward } from './reward.ts'
import { needsAnswer, ruleReward } from './rule.ts'

/**
 * @param modules label -> file of a reward function
 * @throws StageFailure, LmFailure where a reward cannot be had as it is asked for
 */
export async function openRewards(
  params: RewardParams,
  modules: Readonly<Record<string, string>>,
  warn: (text: string) => void,
): Promise<Reward[]> {
  const rewards = Object.entries(params.rewards).map(([name, rule]) => ruleReward(name, rule))
  for (const [label, path] of Object.entries(modules))
    rewards.push(await moduleReward(moduleName(label, path), path, warn))
  return rewards
}

/** @throws StageFailure `no-reward`, `same-reward`, `unknown-reward` */
export function checkRewards(names: readonly string[], weights: Readonly<Record<string, number>>): void {
  if (names.length === 0) {
    throw new StageFailure({
      code: 'no-reward',
      message: '`rollouts: online` needs a reward, and there is none',
      hint: 'a rule in `rewards`, as { correct: { rule: exact } }, a file at the input `reward`, or `judge`',
    })
  }
  const twice = names.find((name, index) => names.indexOf(name) < index)
  if (twice !== undefined) {
    throw new StageFailure({
      code: 'same-reward',
      message: `two rewards are called \`${twice}\``,
      hint: 'give the file another label: `reward: { NAME: file.ts }`',
    })
  }
  const unknown = Object.keys(weights).find((name) => !names.includes(name))
  if (unknown !== undefined) {
    throw new StageFailure({
      code: 'unknown-reward',
      message: `\`reward_weights\` names \`${unknown}\`, and there is no such reward`,
      hint: `there is ${names.join(', ')}`,
    })
  }
}

/**
 * The prompts, with their answers where a rule compares with them.
 * @throws LmFailure `invalid-row` with the line; StageFailure `no-number` where `numeric` has nothing to compare with
 */
export function readScoredPrompts(file: string, { rewards }: RewardParams): readonly PromptRow[] {
  const rules = Object.values(rewards)
  if (!rules.some(needsAnswer)) return readPrompts(file)
  const questions = readQuestions(file)
  const bare = questions.findIndex(({ answer }) => numericAnswer(answer) === undefined)
  if (bare !== -1 && rules.some(({ rule }) => rule === 'numeric')) {
    throw new StageFailure({
      code: 'no-number',
      message: `row ${bare + 1} has no number in its answer \`${questions[bare]!.answer}\``,
      hint: '`rule: exact` compares words',
      file,
    })
  }
  return questions
}

/** A list has numbers for labels: such a reward is called by its file. */
function moduleName(label: string, path: string): string {
  return /^\d+$/.test(label) ? basename(path).replace(/\.[^.]+$/, '') : label
}
