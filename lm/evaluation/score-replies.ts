/**
 * @file All text metrics of one set of replies, as one flat record of numbers. Shares lie between 0 and 1, BLEU
 * between 0 and 100 as is usual.
 */
import { corpusBleu } from './bleu.ts'
import { distinct } from './distinct.ts'
import { compilePattern, defaultAnswerPattern, exactMatch, finalAnswer, goldAnswer } from './final-answer.ts'
import { meanRougeL } from './rouge-l.ts'

export interface AnsweredQuestion {
  /** The bare answer, or a whole reference reply in which the answer pattern finds it. */
  readonly answer: string
  /** A label to break the exact match down by. */
  readonly task?: string | undefined
}

export interface ScoreOptions {
  /** Finds the final answer: its first group, or the whole match. @default `Answer: X` at the end of the reply */
  readonly answerPattern?: string
  /**
   * Name -> pattern; the share of replies that each one matches is reported as `share/NAME`.
   * `{ worked: '=|ends in' }` tells how many replies show their working.
   */
  readonly patterns?: Readonly<Record<string, string>>
  /** Compares the replies with the answers as texts (ROUGE-L, BLEU). @default true */
  readonly overlap?: boolean
}

export interface ScoreRepliesRequest {
  readonly replies: readonly string[]
  /** Parallel to `replies`. */
  readonly questions: readonly AnsweredQuestion[]
  readonly options?: ScoreOptions
}

function share(count: number, total: number): number {
  return total === 0 ? 0 : count / total
}

/** Whether each reply's final answer equals its question's. */
export function gradeReplies({ replies, questions, options = {} }: ScoreRepliesRequest): boolean[] {
  const pattern = compilePattern(options.answerPattern ?? defaultAnswerPattern)
  return replies.map((reply, row) =>
    exactMatch(finalAnswer(reply, pattern), goldAnswer(questions[row]?.answer ?? '', pattern)),
  )
}

/**
 * - `questions`: how many; `exact_match`: share whose final answer equals the gold one; `exact_match/TASK` and
 *   `questions/TASK` for each task that the questions name;
 * - `answered`: share of replies in which the pattern finds a final answer at all;
 * - `rouge_l`, `bleu`: overlap with the answers as texts; `distinct_1`, `distinct_2`: variety;
 * - `mean_characters`, `mean_words`: length of the replies; `empty`: share of replies without a word;
 * - `share/NAME`: share of replies that the named pattern matches.
 */
export function scoreReplies(request: ScoreRepliesRequest): Record<string, number> {
  const { replies, questions, options = {} } = request
  if (replies.length !== questions.length) {
    throw new RangeError(`${replies.length} replies to ${questions.length} questions`)
  }
  const count = replies.length
  const pattern = compilePattern(options.answerPattern ?? defaultAnswerPattern)
  const correct = gradeReplies(request)
  const values: Record<string, number> = {
    questions: count,
    exact_match: share(correct.filter(Boolean).length, count),
    answered: share(replies.filter((reply) => finalAnswer(reply, pattern) !== undefined).length, count),
  }
  for (const task of [...new Set(questions.flatMap((question) => question.task ?? []))].sort()) {
    const rows = [...correct.keys()].filter((row) => questions[row]?.task === task)
    values[`exact_match/${task}`] = share(rows.filter((row) => correct[row]).length, rows.length)
    values[`questions/${task}`] = rows.length
  }
  if (options.overlap ?? true) {
    const answers = questions.map((question) => question.answer)
    values.rouge_l = meanRougeL(replies, answers)
    values.bleu = corpusBleu(replies, answers)
  }
  values.distinct_1 = distinct(replies, 1)
  values.distinct_2 = distinct(replies, 2)
  values.mean_characters = share(
    replies.reduce((sum, reply) => sum + [...reply].length, 0),
    count,
  )
  const words = replies.map((reply) => reply.split(/\s+/u).filter((word) => word !== '').length)
  values.mean_words = share(
    words.reduce((sum, length) => sum + length, 0),
    count,
  )
  values.empty = share(words.filter((length) => length === 0).length, count)
  for (const [name, text] of Object.entries(options.patterns ?? {})) {
    const named = compilePattern(text, 'u')
    values[`share/${name}`] = share(replies.filter((reply) => named.test(reply)).length, count)
  }
  return values
}
