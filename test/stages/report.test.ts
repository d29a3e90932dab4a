/** @file What the report shows, and that nothing in it can break out of its place. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { correlation } from '../../lm/evaluation/correlation.ts'
import { countBins } from '../../stages/report/charts/histogram.ts'
import { linearScale, ticks } from '../../stages/report/charts/scale.ts'
import { smooth } from '../../stages/report/charts/smooth.ts'
import { formatNumber, formatPoints } from '../../stages/report/format.ts'
import { escapeText, html } from '../../stages/report/html.ts'
import report from '../../stages/report/index.ts'
import { judgeDiagnostics } from '../../stages/report/sections/judging.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'

function metricsFile(values: Readonly<Record<string, number>>, stage = 'evaluate'): string {
  return temporaryFile('metrics.json', JSON.stringify({ stage, values }))
}

function logFile(stage: string, extra: Readonly<Record<string, number>> = {}): string {
  return temporaryFile(
    'log.jsonl',
    Array.from({ length: 30 }, (_, step) => ({
      stage,
      epoch: step / 10,
      step: step + 1,
      loss: 3 - step / 20,
      ...extra,
    })),
  )
}

const hostile = '</style><script>alert("x")</script> & \'quoted\''

function judgedFile(): string {
  return temporaryFile('judged.jsonl', [
    {
      instruction: `What is 2 plus 3? ${hostile}`,
      candidates: [
        { response: 'Answer: 6', score: 1, judge_output: '5. Score: 1', votes: [1, 1, 1] },
        { response: `2+3=5. Answer: 5 ${hostile}`, score: 4.5, judge_output: hostile, votes: [4, 5, null] },
        { response: '', score: null, judge_output: '', votes: [null, null, null] },
      ],
      chosen: 'x',
      chosen_score: 4.5,
      rejected: 'y',
      rejected_score: 1,
    },
  ])
}

it('draws the curve over rounds where labels differ in a number alone', async () => {
  const measured = (share: number) => metricsFile({ exact_match: share, questions: 600 })
  const rounds = { 'round 10': measured(0.98), 'round 2': measured(0.76), 'round 0': measured(0.4) }
  const page = (await runStage(report, { metrics: rounds })).text('report')
  expect(page).toContain('aria-label="Exact match over rounds: round 0 40.0%, round 2 76.0%, round 10 98.0%"')
  const others = { sft: measured(0.4), dpo: measured(0.9), 'round 1': measured(0.5) }
  expect((await runStage(report, { metrics: others })).text('report')).not.toContain('over rounds')
})

it('tells among the verdicts how a judge judged, but for the histogram that the chart shows', async () => {
  const values = { krippendorff_alpha: 0.25, 'labels/accuracy': 0.875, 'histogram/3': 12 }
  const metrics = {
    verdicts: temporaryFile('judge.json', JSON.stringify({ stage: 'judge', values })),
    cleaning: temporaryFile('clean.json', JSON.stringify({ stage: 'clean', values: { kept: 7 } })),
  }
  const page = (await runStage(report, { metrics })).text('report')
  const section = (id: string) => new RegExp(`<section id="${id}">.*?</section>`, 's').exec(page)![0]
  expect(section('judging')).toContain('<tr><th scope="row">labels: accuracy</th><td>0.875</td></tr>')
  expect(section('judging')).toContain('<caption>verdicts</caption>')
  expect(section('judging')).not.toContain('histogram')
  expect(section('counters')).not.toContain('verdicts')
  expect(section('counters')).toContain('<caption>cleaning</caption>')
})

it('draws what an online run was rewarded with', async () => {
  const rows = Array.from({ length: 20 }, (_, step) => ({
    stage: 'grpo',
    epoch: 1,
    step: step + 1,
    loss: 0,
    // Sampled for every other update.
    ...(step % 2 === 0 && {
      reward: step / 20,
      'rewards/correct/mean': step / 20,
      'rewards/brevity/mean': 1,
      'completions/mean_length': 12 + step,
      frac_reward_zero_std: 0.25,
    }),
  }))
  const page = (await runStage(report, { logs: { grpo: temporaryFile('log.jsonl', rows) } })).text('report')
  expect(page).toContain('reward, averaged, 0 \u2192 0.9')
  expect(page).toContain('aria-label="grpo: mean reward: reward from 0 to 0.9 over step 1 to 19"')
  expect(page).toContain('correct from 0 to 0.9; brevity from 1 to 1')
  expect(page).toContain('tokens from 12 to 30')
  expect(page).toContain('grpo: groups whose rewards are all equal')
  const single = rows.map(({ 'rewards/brevity/mean': _, ...row }) => row)
  const other = await runStage(report, { logs: { grpo: temporaryFile('log.jsonl', single) } })
  expect(other.text('report')).not.toContain('rewards by name')
})

async function fullReport(params: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const run = await runStage(
    report,
    {
      logs: {
        sft: logFile('sft'),
        dpo: logFile('dpo', { 'rewards/margins': 0.5, 'rewards/accuracies': 0.9 }),
      },
      metrics: {
        dpo: metricsFile({ questions: 600, exact_match: 0.76, 'exact_match/add': 0.9, 'questions/add': 100 }),
        sft: metricsFile({
          questions: 600,
          exact_match: 0.405,
          'exact_match/add': 0.2,
          'questions/add': 100,
        }),
        clean: metricsFile({ total: 200, kept: 160, dropped_tie: 35 }, 'clean'),
      },
      judged: judgedFile(),
      groups: temporaryFile('groups.jsonl', [{ prompt: 'p', responses: ['a', 'b'], weights: [0.9, 0.1] }]),
    },
    { title: `Self-reward ${hostile}`, notes: hostile, ...params },
  )
  return run.text('report')
}

describe('the page', () => {
  it('shows quality before and after with interval and sample count', async () => {
    const page = await fullReport()
    expect(page).toContain('40.5%')
    expect(page).toContain('76.0%')
    expect(page).toContain('sft against dpo, +35.5 points')
    // Wilson's interval of 76.0% of 600.
    expect(page).toContain('95% interval 72.4% to 79.2%')
    expect(page).toContain('600 questions')
    expect(page).toMatch(/Exact match by task[\s\S]*<th scope="row">add<\/th>/)
  })

  it('draws a labelled chart for each log and distribution', async () => {
    const page = await fullReport()
    for (const title of ['sft: loss', 'dpo: loss', 'dpo: reward margin', 'dpo: preference accuracy']) {
      expect(page).toContain(`<figcaption>${title}</figcaption>`)
    }
    expect(page).toContain('Scores of the candidates')
    expect(page).toContain('Softmax weights of the responses')
    const charts = page.match(/<svg /g) ?? []
    expect(page.match(/<svg [^>]*role="img" aria-label="[^"]+"/g)).toHaveLength(charts.length)
    expect(page).not.toMatch(/NaN|Infinity|undefined|\[object/)
  })

  it('draws what was held out beside what was trained on', async () => {
    const rows = Array.from({ length: 8 }, (_, index) => {
      const row = { stage: 'sft', epoch: index, step: Math.ceil(index / 2) }
      return index % 2 === 0
        ? { ...row, eval_loss: 3 - index / 10, eval_mean_token_accuracy: 0.25 }
        : { ...row, loss: 2.5 - index / 10, mean_token_accuracy: 0.5 }
    })
    const run = await runStage(report, { logs: { sft: temporaryFile('log.jsonl', rows) }, metrics: {} })
    const page = run.text('report')
    expect(page).toContain('4 logged steps; loss 2.4')
    expect(page).toContain('held-out loss, step 0: 3')
    expect(page).toContain('held-out accuracy from 0.25 to 0.25')
    expect(page).toContain('aria-label="sft: loss: loss from 2.4 to 1.8; held-out loss from 3 to 2.4')
  })

  it('shows candidates best first, missing scores as missing, and the counters', async () => {
    const page = await fullReport()
    expect(page.indexOf('2+3=5. Answer: 5')).toBeLessThan(page.indexOf('Answer: 6'))
    expect(page).toContain('no score')
    expect(page).toContain('empty reply')
    expect(page).toContain('votes 4, 5, unread')
    expect(page).toMatch(/<th scope="row">dropped tie<\/th><td>35<\/td>/)
  })

  it('escapes every text and loads nothing', async () => {
    const page = await fullReport()
    expect(page).not.toContain('<script')
    expect(page.match(/<\/style>/g)).toHaveLength(1)
    expect(page).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; &#39;quoted&#39;')
    expect(page).not.toMatch(/(src|href)="(?!#)/)
    expect(page).not.toMatch(/url\(|@import|https?:/)
    expect(page).toContain("default-src 'none'")
  })

  it('is the same for the same inputs', async () => {
    expect(await fullReport()).toBe(await fullReport())
  })

  it('compares with the metrics that `before` names', async () => {
    expect(await fullReport({ before: 'dpo' })).toContain('dpo against sft, \u221235.5 points')
    expect(await failureOf(fullReport({ before: 'nope' }))).toMatchObject({
      code: 'unknown-label',
      hint: expect.stringContaining('sft, dpo'),
    })
  })

  it('leaves out what is absent', async () => {
    const empty = (await runStage(report, { logs: {}, metrics: {} })).text('report')
    expect(empty).not.toContain('<section')
    const single = (
      await runStage(report, { logs: {}, metrics: { sft: metricsFile({ exact_match: 0.5 }) } })
    ).text('report')
    expect(single).toContain('50.0%')
    expect(single).not.toContain('interval 0')
    const judged = (
      await runStage(report, { logs: {}, metrics: {}, judged: judgedFile() }, { samples: 0 })
    ).text('report')
    expect(judged).toContain('id="judging"')
    expect(judged).not.toContain('id="samples"')
  })

  it('shows all candidates of a sampled prompt', async () => {
    const judged = judgedFile()
    const [row] = readFileSync(judged, 'utf8').split('\n')
    const { instruction } = JSON.parse(row!)
    const sample = { instruction, response: 'Answer: 6', score: 1, votes: [1, 1, 1], judge_output: '' }
    const samples = temporaryFile('samples.jsonl', [sample, sample])
    const page = (await runStage(report, { logs: {}, metrics: {}, judged, samples })).text('report')
    expect(page).toContain('1 prompt with its candidates')
    expect(page).toContain('2+3=5. Answer: 5')
  })

  it('reads samples of a single reply', async () => {
    const samples = temporaryFile('samples.jsonl', [
      { instruction: 'Hi?', response: 'Hello', score: 3, judge_output: 'Score: 3' },
    ])
    const page = (await runStage(report, { logs: {}, metrics: {}, samples })).text('report')
    expect(page).toMatch(/Hi\?[\s\S]*Hello/)
  })
})

describe('diagnostics of the judge', () => {
  it('tell votes, gaps, ties and the pull of length', () => {
    const candidate = (response: string, score: number | null, votes: (number | null)[] = []) => ({
      response,
      score,
      judgeOutput: '',
      votes,
    })
    const found = judgeDiagnostics([
      {
        instruction: 'a',
        candidates: [
          candidate('long reply', 5, [5, 5]),
          candidate('short', 1, [1, 2]),
          candidate('x', null, [null, null]),
        ],
      },
      { instruction: 'b', candidates: [candidate('same', 3), candidate('same', 3)] },
    ])
    expect(found).toMatchObject({
      prompts: 2,
      candidates: 5,
      unscored: 1,
      votes: 6,
      unparsedVotes: 2,
      unanimous: 0.5,
      meanGap: 2,
      tied: 0.5,
      bestLength: 10,
      worstLength: 5,
    })
    expect(found.lengthCorrelation).toBeCloseTo(1)
    expect(
      correlation([
        [1, 1],
        [1, 2],
      ]),
    ).toBeNaN()
  })
})

describe('chart arithmetic', () => {
  it('marks axes at round numbers', () => {
    expect(ticks(0, 1, 5)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1])
    expect(ticks(0.37, 2.91, 5)).toEqual([0.5, 1, 1.5, 2, 2.5])
    expect(ticks(1, 240, 6)).toEqual([50, 100, 150, 200])
    expect(ticks(3, 3, 5)).toEqual([3])
  })

  it('maps a domain of one value without dividing by zero', () => {
    expect(Number.isFinite(linearScale([2, 2], [0, 100])(2))).toBe(true)
  })

  it('smooths without lagging behind or bending the ends', () => {
    expect(smooth([6, 5, 4, 3, 2], 2)).toEqual([6, 5, 4, 3, 2].map((value) => expect.closeTo(value, 12)))
    expect(smooth([0, 4, 0, 4, 0], 1).slice(1, -1)).toEqual([2, 2, 2])
    expect(smooth([1, 3], 0)).toEqual([1, 3])
  })

  it('puts each value into the bin that holds it', () => {
    expect(countBins({ values: [0, 0.1, 0.3, 0.95, 1], low: 0, high: 1, binWidth: 0.1 })).toEqual([
      1, 1, 0, 1, 0, 0, 0, 0, 0, 2,
    ])
  })

  it('writes numbers for people', () => {
    expect([1234, 0.40512, 0.00021, 12.5, 250.04, 0].map(formatNumber)).toEqual([
      '1,234',
      '0.405',
      '2.1e-4',
      '12.5',
      '250.0',
      '0',
    ])
    expect(formatPoints(-0.029)).toBe('\u22122.9 points')
  })
})

it('escapes what it is given, but not markup of its own', () => {
  expect(html`<p title="${'"'}">${'<b>'}${html`<i>${1}</i>`}${[undefined, false, 'x']}</p>`.text).toBe(
    '<p title="&quot;">&lt;b&gt;<i>1</i>x</p>',
  )
  expect(escapeText('a\u0000\ud800b\n')).toBe('a\ufffd\ufffdb\n')
})
