/** @file What the judge stage says of its own judging, by a judge whose every verdict the test decides. */
import { describe, expect, it } from 'vitest'
import { metrics } from '../../stages/artifacts/metrics.ts'
import judge from '../../stages/judge/index.ts'
import { type Behaviour, ChatServer, question, reply } from './chat-server.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'

/** Verdicts by what the prompt holds. */
type Judgement = (prompt: string, seed: number) => string

async function diagnose(
  judgement: Judgement,
  rows: readonly object[],
  params: object = {},
  labels?: readonly object[],
) {
  const behaviour: Behaviour = (response, asked) =>
    reply(response, judgement(question(asked), asked.body.seed ?? 0))
  const server = await ChatServer.listen(behaviour)
  const inputs = {
    responses: temporaryFile('responses.jsonl', rows),
    ...(labels !== undefined && { labels: temporaryFile('labels.jsonl', labels) }),
  }
  const run = await runStage(judge, inputs, {
    rubric: '{question}|{reply}|',
    votes: 1,
    ...params,
    endpoint: { base_url: server.url, model: 'big' },
  })
  for await (const fault of metrics.validate(run.outputs.diagnostics!)) throw new Error(fault.message)
  const { values } = JSON.parse(run.text('diagnostics')) as { values: Record<string, number> }
  return { run, values, asked: server.asked.length }
}

const row = (prompt: string, ...replies: readonly (string | object)[]) => ({
  prompt,
  responses: replies.map((each) => (typeof each === 'string' ? { text: each } : each)),
})
const replyOf = (prompt: string) => prompt.split('|')[1]!

describe('scores', () => {
  it('are counted, spread and unread', async () => {
    const scores: Record<string, string> = { a: '1', b: '4', c: '4.4', d: 'none' }
    const { values } = await diagnose(
      (prompt) => `Score: ${scores[replyOf(prompt)]}`,
      [row('q', 'a', 'b'), row('r', 'c', 'd')],
    )
    expect(values).toMatchObject({
      prompts: 2,
      candidates: 4,
      scored_share: 0.75,
      verdicts: 4,
      unread_share: 0.25,
      different_scores: 3,
      'histogram/0': 0,
      'histogram/1': 1,
      'histogram/4': 2,
      'histogram/5': 0,
      duplicates: 0,
    })
    expect(values.mean_score).toBeCloseTo(9.4 / 3, 12)
    expect(values).not.toHaveProperty('vote_agreement')
    expect(values).not.toHaveProperty('order_agreement')
  })

  it('of a judge who rewards length go with it', async () => {
    const byLength: Judgement = (prompt) => `Score: ${replyOf(prompt).length}`
    const rows = [row('q', 'a', 'aaa'), row('r', 'aa', 'aaaaa')]
    expect((await diagnose(byLength, rows)).values).toMatchObject({ length_spearman: 1 })
    const against: Judgement = (prompt) => `Score: ${5 - replyOf(prompt).length}`
    const { values } = await diagnose(against, rows)
    expect(values.length_spearman).toBeCloseTo(-1, 12)
    expect(values.length_correlation_within_prompts).toBeCloseTo(-1, 12)
  })

  it('of several votes agree or not', async () => {
    const steady = await diagnose((prompt) => `Score: ${replyOf(prompt)}`, [row('q', '1', '5')], { votes: 3 })
    expect(steady.values).toMatchObject({ vote_agreement: 1, vote_deviation: 0, krippendorff_alpha: 1 })
    const moody = await diagnose((_, seed) => `Score: ${seed}`, [row('q', '1', '5')], { votes: 3 })
    expect(moody.values).toMatchObject({ vote_agreement: 0, vote_deviation: 1 })
    expect(moody.values.krippendorff_alpha).toBeLessThan(0)
  })

  it('of replies that read the same are the same, whoever wrote them', async () => {
    const vain: Judgement = (prompt) => `Score: ${/mine/.test(replyOf(prompt)) ? 5 : 2}`
    const by = (source: string, text: string) => ({ source, text })
    const rows = [
      row('q', by('me', 'mine'), by('you', 'yours'), by('you', 'mine')),
      row('r', by('me', 'both'), by('you', 'both')),
    ]
    const { values } = await diagnose(vain, rows, { own_source: 'me' })
    expect(values).toMatchObject({
      duplicates: 2,
      duplicate_score_gap: 0,
      'mean_score/me': 3.5,
      'mean_score/you': 3,
      self_preference: (5 - 3.5 + 0) / 2,
      self_preference_on_duplicates: 0,
    })
    expect((await diagnose(vain, rows)).values).not.toHaveProperty('self_preference')
  })
})

describe('comparisons', () => {
  const pairwise = { rubric: '{question}|{reply_a}|{reply_b}|' }
  const rows = [row('q', 'x', 'y', 'y'), row('r', 'x', 'z')]

  it('by place are told from those by reply', async () => {
    const first = await diagnose(() => 'Verdict: A', rows, pairwise)
    expect(first.values).toMatchObject({
      comparisons: 3,
      verdicts: 4,
      tied_share: 1,
      order_agreement: 0,
      follows_place: 1,
      first_preferred: 1,
      mean_score: 0.5,
      duplicate_score_gap: 0,
    })
    expect(first.asked).toBe(4)
    const fair = await diagnose(
      (prompt) => `Verdict: ${prompt.split('|')[1] === 'x' ? 'A' : 'B'}`,
      rows,
      pairwise,
    )
    expect(fair.values).toMatchObject({
      order_agreement: 1,
      follows_place: 0,
      first_preferred: 0.5,
      'histogram/0': 1,
      'histogram/0.3': 2,
      'histogram/1': 2,
    })
    const halfUnread = await diagnose(
      (prompt) => (prompt.split('|')[1] === 'x' ? 'Verdict: A' : 'Hm'),
      rows,
      pairwise,
    )
    expect(halfUnread.values).toMatchObject({ unread_share: 0.5 })
    expect(halfUnread.values).not.toHaveProperty('first_preferred')
  })
})

describe('labelled rows', () => {
  const rows = [row('q', 'a', 'b')]
  const pair = (chosen: string, rejected: string) => ({ prompt: 'p', chosen, rejected })
  const byNumber: Judgement = (prompt) => `Score: ${replyOf(prompt)}`

  it('with a better reply measure how often the judge prefers it', async () => {
    const labels = [pair('4', '1'), pair('5', '2'), pair('1', '3'), pair('2', '2.0'), pair('x', '1')]
    const { values, run } = await diagnose(byNumber, rows, {}, labels)
    expect(values).toMatchObject({
      'labels/pairs': 5,
      'labels/accuracy': 2.5 / 4,
      'labels/ties': 0.25,
      'labels/unread': 0.2,
    })
    expect(values['labels/accuracy_low']!).toBeLessThan(0.625)
    expect(values).not.toHaveProperty('labels/pearson')
    expect(run.logs.join('\n')).toContain('right on 62.5% of 5 labelled pairs')
    // The candidates themselves are judged as ever.
    expect(values.candidates).toBe(2)
  })

  it('with scores measure distance and correlation, and the pairs of a prompt', async () => {
    const gold = (prompt: string, response: string, reward: number) => ({ prompt, response, reward })
    const labels = [gold('p', '1', 2), gold('p', '4', 5), gold('p', '3', 2), gold('o', '2', 1)]
    const { values } = await diagnose(byNumber, rows, {}, labels)
    expect(values).toMatchObject({
      'labels/replies': 4,
      'labels/mean_absolute_error': 1,
      'labels/pairs': 2,
      'labels/accuracy': 1,
      'labels/ties': 0,
    })
    expect(values['labels/spearman']).toBeCloseTo(3 / Math.sqrt(22.5), 12)
  })

  it('measure a comparing judge, too', async () => {
    const pairwise = { rubric: '{question}|{reply_a}|{reply_b}|' }
    const greater: Judgement = (prompt) => {
      const [, a, b] = prompt.split('|').map(Number)
      return `Verdict: ${a! > b! ? 'A' : 'B'}`
    }
    const labels = [pair('4', '1'), pair('1', '3'), pair('2', '2')]
    const { values } = await diagnose(greater, [row('q', '1', '2')], pairwise, labels)
    expect(values).toMatchObject({ 'labels/pairs': 3, 'labels/accuracy': 0.5, 'labels/ties': 1 / 3 })
  })

  it('need the right answer where the rubric shows it', async () => {
    const failure = await failureOf(
      diagnose(byNumber, [{ ...rows[0]!, answer: 'a' }], { rubric: '{question}|{reply}|{answer}' }, [
        pair('1', '2'),
      ]),
    )
    expect(failure).toMatchObject({ code: 'no-reference', file: expect.stringContaining('labels.jsonl') })
  })
})
