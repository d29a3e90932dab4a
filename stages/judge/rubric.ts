/** @file What the judge is asked, and how its verdict is read. */
import { StageFailure } from 'flow/stage'

/** The additive five-point scale of Self-Rewarding Language Models (arXiv 2401.10020), in our own words. */
export const additiveRubric = `Judge how well the reply answers the question. Start at 0 and add points one by one:
- 1 point if the reply is relevant and gives some information on the question, even if incomplete.
- 1 more point if it covers a large part of the question, without resolving it fully.
- 1 more point if it answers the basic elements of the question in a useful way.
- 1 more point if it is clearly written as a helpful assistant would, complete, well organised and to the point.
- 1 more point if it is tailored to the question by an expert: accurate, insightful, nothing superfluous.

Question: {question}

Reply: {reply}

First justify your verdict in at most 100 words. Then end with the line
Score: <points, 0 to 5>`

/** The text of the `rubric` parameter. @throws StageFailure where a placeholder is missing */
export function rubricText(rubric: string): string {
  if (rubric === 'additive') return additiveRubric
  for (const placeholder of ['{question}', '{reply}']) {
    if (rubric.includes(placeholder)) continue
    throw new StageFailure({
      code: 'invalid-rubric',
      message: `the rubric has no ${placeholder}`,
      hint: 'write both {question} and {reply} into it, or take the built-in one: `rubric: additive`',
    })
  }
  return rubric
}

/** The judge's user turn. */
export function judgePrompt(rubric: string, question: string, reply: string): string {
  return rubric.replace(/\{(question|reply)\}/g, (_, name: string) =>
    name === 'question' ? question : reply,
  )
}

/**
 * Reads the score of a verdict: the pattern's first match, as a number within the range. A number out of range
 * ("Score: 10") is no score, never a clipped one.
 */
export function scoreReader(
  pattern: string,
  minimum: number,
  maximum: number,
): (verdict: string) => number | null {
  let expression: RegExp
  try {
    expression = new RegExp(pattern, 'i')
  } catch (error) {
    throw new StageFailure({
      code: 'invalid-pattern',
      message: `\`score_pattern\` is no regular expression: ${(error as Error).message}`,
    })
  }
  return (verdict) => {
    const found = expression.exec(verdict.trim())?.[1]
    // Number('') is 0, and an empty group is no score.
    if (found === undefined || found.trim() === '') return null
    const score = Number(found)
    return Number.isFinite(score) && score >= minimum && score <= maximum ? score : null
  }
}

/** Mean of the votes that could be read; null where none could. */
export function meanVote(votes: readonly (number | null)[]): number | null {
  const read = votes.filter((vote) => vote !== null)
  return read.length === 0 ? null : read.reduce((a, b) => a + b, 0) / read.length
}
