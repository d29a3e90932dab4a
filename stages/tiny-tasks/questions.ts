/** @file Questions of a split, with their true working and answer. */
import type { SeededRandom } from '../../lm/random.ts'
import { Steps } from './slips.ts'
import { type Split, splitOf } from './splits.ts'
import { add, story, sub, sum4 } from './tasks/arithmetic.ts'
import { alpha, last } from './tasks/letters.ts'
import type { Problem, Task } from './tasks/task.ts'

export const TASKS: readonly Task[] = [add, sub, sum4, story, last, alpha]

export interface Question {
  readonly task: Task
  readonly problem: Problem
  /** "What is 47 plus 38?" */
  readonly text: string
  /** The true working and the true answer. */
  readonly working: string
  readonly answer: string
}

/** Every task is as likely as another, unless one is asked for. */
export function drawQuestion(random: SeededRandom, split: Split, wanted?: Task): Question {
  for (;;) {
    const task = wanted ?? random.choice(TASKS)
    const problem = task.draw(random)
    if (splitOf(problem.key) !== split) continue
    return { task, problem, text: problem.ask(random), ...problem.solve(new Steps(random)) }
  }
}

/** `count` questions with different texts; none that `taken` holds already, to which they are added. */
export function drawDistinct(
  random: SeededRandom,
  split: Split,
  count: number,
  taken = new Set<string>(),
): Question[] {
  const questions: Question[] = []
  while (questions.length < count) {
    const question = drawQuestion(random, split)
    if (taken.has(question.text)) continue
    taken.add(question.text)
    questions.push(question)
  }
  return questions
}
