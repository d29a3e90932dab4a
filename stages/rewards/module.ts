/** @file A reward function of the user's: a file whose default export scores a batch of completions. */
import { importUserCode, userCodeFailure } from 'flow/code'
import { StageFailure } from 'flow/stage'
import type { Reward, RewardInput } from './reward.ts'

type RewardFunction = (inputs: readonly RewardInput[]) => unknown

/**
 * Compiles and imports the file.
 * @param warn told of packages that it imports, whose versions nothing keeps track of
 * @throws StageFailure `compile-error`, `code-failed`, `not-one-file`, `no-reward-function`
 */
export async function moduleReward(
  name: string,
  path: string,
  warn: (text: string) => void,
): Promise<Reward> {
  const { file, exports, packages } = await importUserCode(path)
  const score = exports.default
  if (typeof score !== 'function') {
    throw new StageFailure({
      code: 'no-reward-function',
      message: 'exports no function by default',
      hint: 'export default (batch) => batch.map(({ prompt, completion, row }) => 1)',
      file,
    })
  }
  if (packages.length > 0) {
    warn(`reward \`${name}\` imports ${packages.join(', ')}: an update of these makes no stage run again`)
  }
  return {
    name,
    async score(inputs) {
      let scores: unknown
      try {
        scores = await (score as RewardFunction)(inputs)
      } catch (error) {
        throw userCodeFailure(file, error)
      }
      return checked(scores, inputs.length, file)
    },
  }
}

function checked(scores: unknown, count: number, file: string): (number | null)[] {
  const refuse = (message: string) =>
    new StageFailure({
      code: 'invalid-reward',
      message,
      hint: 'return one number a completion, or null where there is no score',
      file,
    })
  if (!Array.isArray(scores)) throw refuse(`returned ${kindOf(scores)}, not a list`)
  if (scores.length !== count) throw refuse(`returned ${scores.length} scores for ${count} completions`)
  return scores.map((score: unknown, index) => {
    if (score === null || (typeof score === 'number' && Number.isFinite(score))) return score
    throw refuse(`the score of completion ${index + 1} is ${kindOf(score)}, not a number`)
  })
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined || typeof value === 'number') return String(value)
  if (value instanceof Promise) return 'a promise'
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`
}
