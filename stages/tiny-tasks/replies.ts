/**
 * @file Replies to a question: right and wrong, direct ("Answer: 85") and worked
 * ("40+30=70, 7+8=15, 70+15=85. Answer: 85").
 */
import type { SeededRandom } from '../../lm/random.ts'
import { drawQuestion, type Question } from './questions.ts'
import { Steps } from './slips.ts'
import type { Split } from './splits.ts'
import type { Solution } from './tasks/task.ts'

/** Share of wrong worked replies whose working is right but whose final answer is not the one it leads to. */
const RIGHT_WORKING_WRONG_FINAL = 0.12
/** Graded replies: this share is right, the next wrong, the rest answers another question or breaks off. */
const RIGHT_SHARE = 0.5
const WRONG_SHARE = 0.45

export function writeReply(solution: Solution, worked: boolean): string {
  return (worked ? `${solution.working}. ` : '') + `Answer: ${solution.answer}`
}

/** The final answer that a reply ends with, if it ends with one. */
export function finalAnswer(reply: string): string | undefined {
  return /Answer: ([a-z0-9A-Z]+)\.?\s*$/.exec(reply.trim())?.[1]
}

/** A reply whose final answer is wrong because of one slip in one step. */
export function wrongReply(random: SeededRandom, question: Question, worked: boolean): string {
  const counting = new Steps(random)
  question.problem.solve(counting)
  // A slip may leave the answer as it was (a dropped letter that was not the last); 50 tries are plenty.
  for (let attempt = 0; attempt < 50; attempt++) {
    const keepsWorking = worked && random.next() < RIGHT_WORKING_WRONG_FINAL
    const slipped = question.problem.solve(new Steps(random, random.integer(0, counting.count - 1)))
    if (slipped.answer === question.answer) continue
    const working = keepsWorking ? question.working : slipped.working
    return writeReply({ working, answer: slipped.answer }, worked)
  }
  const answer = /^\d+$/.test(question.answer)
    ? String(Number(question.answer) + 1)
    : `${[...question.answer].reverse().join('')}a`
  return writeReply({ working: question.working, answer }, worked)
}

/** A reply as a judge meets it: right, wrong, or (rarely) off the question or cut short. */
export function gradedReply(random: SeededRandom, question: Question, split: Split, worked: boolean): string {
  const kind = random.next()
  if (kind < RIGHT_SHARE) return writeReply(question, worked)
  if (kind < RIGHT_SHARE + WRONG_SHARE) return wrongReply(random, question, worked)
  if (random.next() < 0.5) {
    const sameTask = split === 'pretraining' && random.next() >= 0.7
    return writeReply(drawQuestion(random, split, sameTask ? question.task : undefined), worked)
  }
  const whole = writeReply(question, true)
  return whole.slice(0, random.integer(3, Math.max(4, whole.length - 12)))
}
