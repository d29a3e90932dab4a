/** @file A model's verdicts as a reward: the judge stage's scores, while another model learns. */
import { StageFailure } from 'flow/stage'
import { createRandom } from '../../lm/random.ts'
import { type AskingParams, type JudgeSettings, judgeSettings } from '../judge/ask-judge.ts'
import { chooseRubric, type RubricChoice } from '../judge/choose-rubric.ts'
import { questionOf } from '../judge/questions.ts'
import { scoreReplies } from '../judge/score-replies.ts'
import type { LocalWriter } from '../sampling/local-writer.ts'
import type { DecodePrecisionParam } from '../sampling/writer.ts'
import type { Reward } from './reward.ts'

/** The parameters of the judge stage, as far as they are for scores. */
export interface JudgeParams extends RubricChoice, AskingParams {
  readonly decode_precision: DecodePrecisionParam
}

/**
 * @param rubricFile goes before the parameter
 * @throws StageFailure, LmFailure where the settings contradict each other
 */
export function scoringSettings(params: JudgeParams, rubricFile: string | undefined): JudgeSettings {
  const rubric = chooseRubric(rubricFile, params)
  if (rubric.mode !== 'score') {
    throw new StageFailure({
      code: 'invalid-rubric',
      message: 'a reward is a score, and this rubric compares two replies',
      hint: 'take a rubric with {question} and {reply} in it',
      ...(rubricFile !== undefined && { file: rubricFile }),
    })
  }
  return judgeSettings(rubric, params)
}

/** The mean of the votes that could be read; null where none could. */
export function judgeReward(name: string, settings: JudgeSettings, writer: LocalWriter): Reward {
  return {
    name,
    async score(inputs, { signal, draw, progress }) {
      const replies = inputs.map(({ prompt, completion, row }) => ({
        ...questionOf({ ...row, prompt }),
        reply: completion,
      }))
      const seed = createRandom(`judge ${settings.sampling.seed} ${draw}`).word()
      const drawn = { ...settings, sampling: { ...settings.sampling, seed } }
      const scored = await scoreReplies(writer, replies, drawn, {
        signal,
        progress: ({ step, total = 0, note }) => progress(note ?? 'judging', step, total),
      })
      return scored.map(({ score }) => score)
    },
    dispose: () => writer.dispose(),
  }
}
