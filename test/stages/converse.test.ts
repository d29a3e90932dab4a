/** @file Questions of several turns: answered one after another, judged with what came before, averaged. */
import { describe, expect, it } from 'vitest'
import { verdictReader } from '../../lm/judging/verdict.ts'
import converse from '../../stages/converse/index.ts'
import generate from '../../stages/generate/index.ts'
import { chooseRubric } from '../../stages/judge/choose-rubric.ts'
import judge from '../../stages/judge/index.ts'
import { questionText } from '../../stages/judge/questions.ts'
import tally from '../../stages/tally/index.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'
import { policy } from './training-runs.ts'

const questions = [
  { question_id: 81, category: 'maths', turns: ['What is 8 plus 8?', 'Minus 5?'], reference: ['16', '11'] },
  { question_id: 82, category: 'writing', turns: ['Write a story.'] },
  { prompt: 'Hi', id: 'plain' },
]
const short = { max_new_tokens: 6 }

function converseOn(rows: readonly object[], params: object = {}) {
  return runStage(converse, { ...policy, questions: temporaryFile('q.jsonl', rows) }, { ...short, ...params })
}

describe('converse', () => {
  it('asks each turn with the conversation so far', async () => {
    const rows = (await converseOn(questions)).rows('responses')
    expect(rows.map(({ id, category, turn, reference }) => [id, category, turn, reference])).toEqual([
      [81, 'maths', 1, '16'],
      [81, 'maths', 2, '11'],
      [82, 'writing', 1, undefined],
      ['plain', undefined, 1, undefined],
    ])
    const [first, second] = rows
    expect(second.prompt).toEqual([
      { role: 'user', content: 'What is 8 plus 8?' },
      { role: 'assistant', content: first.responses[0].text },
      { role: 'user', content: 'Minus 5?' },
    ])
    // The second turn is what generate answers to the same conversation.
    const prompts = temporaryFile('prompts.jsonl', [{ prompt: second.prompt }])
    const alone = await runStage(
      generate,
      { ...policy, prompts },
      { ...short, candidates: 1, temperature: 0 },
    )
    expect(alone.rows('responses')[0].responses).toEqual(second.responses)
  })

  it('takes the first questions, and refuses what is no question', async () => {
    expect((await converseOn(questions, { limit: 1 })).rows('responses')).toHaveLength(2)
    const failure = await failureOf(converseOn([questions[0]!, { turns: 'all' }])).catch(
      (error) => error.details,
    )
    expect(failure).toMatchObject({ code: 'invalid-row', line: 2 })
  })
})

describe('judging conversations', () => {
  it('shows the judge the turns before', () => {
    const turns = [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: 'Yes.' },
      { role: 'user', content: 'Two?' },
    ] as const
    expect(questionText(turns.slice(0, 2))).toBe('One?')
    expect(questionText(turns)).toBe('User: One?\n\nAssistant: Yes.\n\nUser: Two?')
  })

  it('reads ratings from 1 to 10', () => {
    const read = verdictReader(chooseRubric(undefined, { rubric: 'mt-bench', opening: '' }))
    const values = [
      'Rating: 7',
      '**Rating**: [[10]]',
      'rating: 8.5/10',
      'Rating: 11',
      'Rating: 4/5',
      'good',
    ].map((text) => read(text)?.value ?? null)
    expect(values).toEqual([7, 10, 8.5, null, null, null])
  })

  it('averages the scores by category and turn', async () => {
    const { outputs } = await converseOn(questions)
    const judged = await runStage(
      judge,
      { ...policy, responses: outputs.responses! },
      // The tiny model has 128 positions.
      {
        rubric: '{question} R: {reply}',
        minimum: 1,
        maximum: 10,
        opening: 'Score: ',
        score_from: 'logits',
        votes: 1,
      },
    )
    const scores = judged.rows('full').map(({ candidates }) => candidates[0].score as number)
    expect(scores.every((score) => score >= 1 && score <= 10)).toBe(true)
    const run = await runStage(tally, { judged: judged.outputs.full! })
    const { values } = JSON.parse(run.text('metrics'))
    expect(values).toMatchObject({
      scored: 4,
      unscored: 0,
      'scored/category/maths': 2,
      'scored/turn/1': 3,
      'score/turn/2': expect.closeTo(scores[1]!, 10),
      'score/category/maths': expect.closeTo((scores[0]! + scores[1]!) / 2, 10),
      score: expect.closeTo(scores.reduce((a, b) => a + b) / 4, 10),
    })
    expect(values.score_low).toBeLessThan(values.score)
  })

  it('says so where nothing has a score', async () => {
    const row = { instruction: 'x', candidates: [{ response: 'y', score: null }], has_valid_pair: false }
    const full = { ...row, chosen: null, chosen_score: null, rejected: null, rejected_score: null }
    const failure = await failureOf(runStage(tally, { judged: temporaryFile('full.jsonl', [full]) }))
    expect(failure).toMatchObject({ code: 'no-scores' })
  })
})
