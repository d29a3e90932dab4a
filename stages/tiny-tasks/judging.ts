/**
 * @file How replies are judged: the prompt, the rule behind the score, and the verdict's form. The judge works the
 * question out itself, copies the reply's final answer and scores the match; no gold answer is in its prompt.
 */
import type { Question } from './questions.ts'
import { finalAnswer } from './replies.ts'

export const RUBRIC = 'Work it out, then score the reply from 0 to 5.'

/** The judge's user turn; the `template` that a workflow gives to its `judge` nodes is this text. */
export const JUDGE_TEMPLATE = `${RUBRIC}\nQuestion: {question}\nReply: {reply}`

export function judgePrompt(question: string, reply: string): string {
  return `${RUBRIC}\nQuestion: ${question}\nReply: ${reply}`
}

/** Numbers at most 2 apart, or words of one length (at most 6 letters) that differ in one letter. */
export function isNear(given: string, answer: string): boolean {
  if (/^\d+$/.test(given) && /^\d+$/.test(answer)) return Math.abs(Number(given) - Number(answer)) <= 2
  if (!/^[A-Za-z]+$/.test(given) || !/^[A-Za-z]+$/.test(answer)) return false
  if (given.length !== answer.length || given.length > 6) return false
  return [...given].filter((letter, i) => letter !== answer[i]).length === 1
}

/** 5 equal, 2 near, 1 neither, 0 no final answer at all. */
export function scoreOf(given: string | undefined, answer: string): 0 | 1 | 2 | 5 {
  if (given === undefined) return 0
  if (given === answer) return 5
  return isNear(given, answer) ? 2 : 1
}

/** "40+30=70, 7+8=15, 70+15=85. Answer: 85. Reply: 83. Score: 2" */
export function verdict(question: Question, reply: string): string {
  return `${question.working}. ${comparison(question.answer, finalAnswer(reply))}`
}

/** "Answer: 85. Reply: 83. Score: 2" */
export function comparison(answer: string, given: string | undefined): string {
  return `Answer: ${answer}. Reply: ${given ?? 'none'}. Score: ${scoreOf(given, answer)}`
}
