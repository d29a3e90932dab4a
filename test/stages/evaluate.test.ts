/** @file What `evaluate` reports of a model whose answers are known beforehand. */
import { describe, expect, it } from 'vitest'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { metrics } from '../../stages/artifacts/metrics.ts'
import { replies } from '../../stages/artifacts/replies.ts'
import evaluate from '../../stages/evaluate/index.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'
import { policy } from './training-runs.ts'

const prompts = ['Hi', 'What is 8 plus 8?', 'Write a story.', 'What is 12 minus 5?']
/** A greedy reply's last character that is a letter or digit is its final answer. */
const settings = { answer_pattern: '([a-zA-Z0-9])', max_new_tokens: 24 }

function measure(answers: readonly string[], params: object = {}) {
  const rows = prompts.map((prompt, index) => ({
    prompt,
    answer: answers[index] ?? 'none',
    task: index < 2 ? 'short' : 'long',
  }))
  return runStage(
    evaluate,
    { ...policy, questions: temporaryFile('questions.jsonl', rows) },
    { ...settings, ...params },
  )
}

const valuesOf = (run: Awaited<ReturnType<typeof measure>>) => JSON.parse(run.text('metrics')).values
const lastMatch = (reply: string) => reply.match(/[a-zA-Z0-9]/gu)?.at(-1)

describe('evaluate', () => {
  it('grades the final answers of greedy replies, in all and by task', async () => {
    const found = await measure([])
    const known = found.rows('replies').map(({ reply }) => lastMatch(reply))
    expect(known.every((answer) => answer !== undefined)).toBe(true)
    expect(valuesOf(found)).toMatchObject({ questions: 4, exact_match: 0, answered: 1 })
    const graded = await measure([known[0]!, '§', known[2]!, known[3]!])
    expect(valuesOf(graded)).toMatchObject({
      exact_match: 0.75,
      'exact_match/short': 0.5,
      'exact_match/long': 1,
      'questions/short': 2,
    })
    expect(graded.rows('replies').map(({ correct }) => correct)).toEqual([true, false, true, true])
    expect(graded.rows('replies').map(({ reply }) => reply)).toEqual(
      found.rows('replies').map(({ reply }) => reply),
    )
    expect(graded.logs).toContain('exact match 75.0% of 4 questions')
    for await (const fault of metrics.validate(graded.outputs.metrics!)) throw new Error(fault.message)
    for await (const fault of replies.validate(graded.outputs.replies!)) throw new Error(fault.message)
  })

  it('reports lengths, variety and the shares of patterns', async () => {
    const run = await measure([], { patterns: { digit: '[0-9]', any: '' } })
    const values = valuesOf(run)
    const written: string[] = run.rows('replies').map(({ reply }) => reply)
    expect(values['share/any']).toBe(1)
    expect(values['share/digit']).toBe(written.filter((reply) => /[0-9]/u.test(reply)).length / 4)
    expect(values.mean_characters).toBeCloseTo(
      written.reduce((sum, reply) => sum + [...reply].length, 0) / 4,
      9,
    )
    expect(values.mean_tokens).toBeGreaterThan(0)
    expect(values.mean_tokens).toBeLessThanOrEqual(24)
    for (const name of ['rouge_l', 'bleu', 'distinct_1', 'distinct_2', 'mean_words', 'empty']) {
      expect(values[name], name).toBeTypeOf('number')
    }
  })

  it('keeps the fields of a question beside its reply, and takes the first with a limit', async () => {
    const run = await measure(['a', 'b'], { limit: 2 })
    expect(run.rows('replies')).toMatchObject([
      { prompt: 'Hi', answer: 'a', task: 'short' },
      { prompt: 'What is 8 plus 8?', answer: 'b', task: 'short' },
    ])
    expect(valuesOf(run).questions).toBe(2)
  })

  it('does not depend on how many questions are answered together', async () => {
    const [one, all] = [await measure([], { batch_size: 1 }), await measure([])]
    expect(one.text('replies')).toBe(all.text('replies'))
    expect(one.text('metrics')).toBe(all.text('metrics'))
  })

  it('leaves special tokens out of a reply', async () => {
    const { specialIds, decode } = loadTokenizer(policy.model)
    const run = await measure([])
    for (const { reply } of run.rows('replies')) {
      for (const id of specialIds) expect(reply).not.toContain(decode([id]))
    }
  })

  it('refuses what is no pattern', async () => {
    const broken = measure([], { answer_pattern: '(' })
    expect(await failureOf(broken)).toMatchObject({ code: 'invalid-pattern' })
  })
})
