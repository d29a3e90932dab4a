/**
 * @file All text metrics of one set of replies, as one flat record of numbers. Shares lie between 0 and 1, BLEU
 * between 0 and 100 as is usual.
 */
import { corpusBleu } from './bleu.ts'
import { distinct } from './distinct.ts'
import { compilePattern } from './final-answer.ts'
import { type GradingOptions, grader } from './grading.ts'
import { meanRouge } from './rouge.ts'

export interface AnsweredQuestion {
  /** The bare answer, or a whole reference reply in which the answer pattern finds it. */
  readonly answer: string
  /** Further right answers. */
  readonly answers?: readonly string[] | undefined
  /** A label to break the exact match down by. */
  readonly task?: string | undefined
}

export interface ScoreOptions extends GradingOptions {
  /**
   * Name -> pattern; the share of replies that each one matches is reported as `share/NAME`.
   * `{ worked: '=|ends in' }` tells how many replies show their working.
   */
  readonly patterns?: Readonly<Record<string, string>>
  /** Compares the replies with the answers as texts (ROUGE, BLEU). @default true */
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

/** All right answers to a question. */
export function answersOf({ answer, answers = [] }: AnsweredQuestion): string[] {
  return [...new Set([answer, ...answers])]
}

/** Whether each reply's final answer is one of its question's. */
export function gradeReplies({ replies, questions, options = {} }: ScoreRepliesRequest): boolean[] {
  const { isRight } = grader(options)
  return replies.map((reply, row) => isRight(reply, answersOf(questions[row]!)))
}

/**
 * - `questions`: how many; `exact_match`: share whose final answer is right by the options' `match`; `exact_match/TASK` and
 *   `questions/TASK` for each task that the questions name;
 * - `answered`: share of replies in which a final answer is found at all;
 * - `rouge_1`, `rouge_2`, `rouge_l` (the best answer counts), `bleu` (against the first): overlap with the answers as
 *   texts; `distinct_1`, `distinct_2`: variety;
 * - `mean_characters`, `mean_words`: length of the replies; `empty`: share of replies without a word;
 * - `share/NAME`: share of replies that the named pattern matches.
 */
export function scoreReplies(request: ScoreRepliesRequest): Record<string, number> {
  const { replies, questions, options = {} } = request
  if (replies.length !== questions.length) {
    throw new RangeError(`${replies.length} replies to ${questions.length} questions`)
  }
  const count = replies.length
  const { answerOf } = grader(options)
  const correct = gradeReplies(request)
  const values: Record<string, number> = {
    questions: count,
    exact_match: share(correct.filter(Boolean).length, count),
    answered: share(replies.filter((reply) => answerOf(reply) !== undefined).length, count),
  }
  for (const task of [...new Set(questions.flatMap((question) => question.task ?? []))].sort()) {
    const rows = [...correct.keys()].filter((row) => questions[row]?.task === task)
    values[`exact_match/${task}`] = share(rows.filter((row) => correct[row]).length, rows.length)
    values[`questions/${task}`] = rows.length
  }
  if (options.overlap ?? true) {
    Object.assign(values, meanRouge(replies, questions.map(answersOf)))
    values.bleu = corpusBleu(
      replies,
      questions.map(({ answer }) => answer),
    )
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
