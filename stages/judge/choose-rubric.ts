/** @file The rubric that a stage judges by: a file, one that is built in, or the text of a parameter. */
import { StageFailure } from 'flow/stage'
import { parseRubric, type Rubric, readRubric } from '../../lm/judging/rubric.ts'
import additive from './rubrics/additive.md'
import mtBench from './rubrics/mt-bench.md'
import pairwise from './rubrics/pairwise.md'

const builtIn: Readonly<Record<string, string>> = {
  additive,
  pairwise,
  'mt-bench': mtBench,
}

export interface RubricChoice {
  /** `additive`, `pairwise`, `mt-bench`, or a text with placeholders. */
  readonly rubric: string
  /** '' takes the rubric's own. */
  readonly opening: string
  readonly score_pattern?: string
  readonly minimum?: number
  readonly maximum?: number
}

/**
 * Parameters go before what the rubric says of itself.
 * @param file a rubric file, which goes before `rubric`
 * @throws LmFailure `invalid-rubric`
 */
export function chooseRubric(file: string | undefined, choice: RubricChoice): Rubric {
  const rubric = file === undefined ? namedRubric(choice.rubric) : readRubric(file)
  const {
    score_pattern: pattern = rubric.pattern,
    minimum = rubric.minimum,
    maximum = rubric.maximum,
  } = choice
  if (minimum >= maximum) {
    throw new StageFailure({
      code: 'empty-range',
      message: `there is no score from ${minimum} to ${maximum}`,
      hint: '`minimum` must be below `maximum`',
    })
  }
  return { ...rubric, pattern, minimum, maximum, opening: choice.opening || rubric.opening }
}

function namedRubric(rubric: string): Rubric {
  const known = builtIn[rubric]
  if (known === undefined && /^[\w-]+$/.test(rubric)) {
    throw new StageFailure({
      code: 'unknown-rubric',
      message: `there is no built-in rubric \`${rubric}\``,
      hint: `built in: ${Object.keys(builtIn).join(', ')}; a file is given as the input \`rubric\``,
    })
  }
  return parseRubric(known ?? rubric)
}
