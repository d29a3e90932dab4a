import { expect, test, vi } from 'vitest'
import type { FlowEvent } from '../../engine/events/event.ts'
import type { CacheKey, ContentHash, NodeId, RunId } from '../../engine/identity.ts'
import { GrowingView } from '../../engine/terminal/growing-view.ts'
import { plainDisplay } from '../../engine/terminal/plain.ts'
import { progressText, runningText, sparkline } from '../../engine/terminal/progress-text.ts'
import { durationText, numberText, sizeText } from '../../engine/terminal/quantities.ts'
import { summaryLines } from '../../engine/terminal/summary.ts'
import { emptyRunView, type NodeView, type RunView, reduceRunView } from '../../engine/terminal/view-model.ts'
import { visibleNodes } from '../../engine/terminal/visible-nodes.ts'

const [sft, judge, report] = ['sft', 'judge', 'report'] as NodeId[] as [NodeId, NodeId, NodeId]
const key = 'k' as CacheKey
const started: FlowEvent = {
  type: 'run-started',
  runId: 'r' as RunId,
  workflow: 'loop',
  file: 'loop.yaml',
  nodes: [
    { node: sft, stage: 'sft', dependsOn: [] },
    { node: judge, stage: 'judge', dependsOn: [sft] },
    { node: report, stage: 'report', dependsOn: [judge] },
  ],
}
const output = { type: 'report', hash: 'h' as ContentHash, sizeBytes: 2048, path: 'reports/loop.html' }
const sftStarted: FlowEvent = {
  type: 'node-started',
  node: sft,
  stage: 'sft',
  key,
  reason: 'params.epochs 2 -> 3',
}
const judgeFailed: FlowEvent = {
  type: 'node-failed',
  node: judge,
  durationMs: 3000,
  failure: {
    code: 'no-verdict',
    message: 'no verdict could be read',
    hint: 'look at the rubric',
    file: 'rows.jsonl',
    line: 3,
  },
  log: '.flow/failures/1/log',
}

function view(...events: readonly (readonly [atMs: number, event: FlowEvent])[]): RunView {
  return events.reduce((state, [atMs, event]) => reduceRunView(state, event, atMs), emptyRunView)
}

function nodeOf(state: RunView, id: NodeId): NodeView {
  const node = state.nodes.find((candidate) => candidate.node === id)
  if (node === undefined) throw new Error(id)
  return node
}

function progress(step: number, more: object = {}): FlowEvent {
  return { type: 'node-progress', node: sft, step, total: 10, ...more }
}

test('nodes found done are taken in when the view is looked at, as if one by one; a view once given stays', () => {
  const found = [sft, judge].map(
    (node): FlowEvent => ({
      type: 'node-finished',
      node,
      outcome: 'reused',
      key,
      durationMs: 1,
      outputs: { report: output },
      reason: 'up to date',
    }),
  )
  const growing = new GrowingView()
  growing.take(started, 0)
  const before = growing.view
  for (const event of found) growing.take(event, 1)
  const expected = view([0, started], ...found.map((event) => [1, event] as const))
  expect(growing.view).toEqual(expected)
  expect(nodeOf(growing.view, judge).state).toBe('reused')
  expect(before.nodes.map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting'])

  const finished: FlowEvent = {
    type: 'run-finished',
    ok: true,
    nodes: { executed: 0, reused: 2, failed: 0, skipped: 0 },
    durationMs: 2,
  }
  for (const event of [...found, finished]) growing.take(event, 2)
  expect(growing.view).toEqual(reduceRunView(expected, finished, 2))
})

test('progress gives rate and time left, and starts over with each new count', () => {
  const running = view(
    [0, started],
    [0, sftStarted],
    [1000, progress(1, { loss: 2 })],
    [3000, progress(2, { loss: 1 })],
  )
  expect(nodeOf(running, sft)).toMatchObject({ state: 'running', remainingMs: 16_000, losses: [2, 1] })
  expect(progressText(nodeOf(running, sft))).toBe('step 2/10, loss 1, 16.0 s left')
  const next = reduceRunView(running, progress(1, { unit: 'row', note: 'reference' }), 4000)
  expect(nodeOf(next, sft).remainingMs).toBeUndefined()
  expect(progressText(nodeOf(next, sft))).toBe('row 1/10, reference')
})

test('on a narrow terminal a running line keeps how far it is and how long it will take', () => {
  const running = view(
    [0, started],
    [0, sftStarted],
    [1000, progress(1, { loss: 2, tokensPerSecond: 812 })],
    [3000, progress(2, { loss: 1, tokensPerSecond: 812 })],
  )
  const at = (columns: number) => runningText(nodeOf(running, sft), 3000, columns)
  expect(at(80)).toBe('step 2/10  16.0 s left  loss 1  █▁  812 tokens/s  3 s')
  expect(at(52)).toBe('step 2/10  16.0 s left  loss 1  812 tokens/s  3 s')
  expect(at(40)).toBe('step 2/10  16.0 s left  loss 1  3 s')
  expect(at(34)).toBe('step 2/10  16.0 s left  loss 1')
  expect(at(22)).toBe('step 2/10  16.0 s left')
  expect(at(10)).toBe('step 2/10')
})

test('the last lines name the root cause, not its victims', () => {
  const failed = view(
    [0, started],
    [0, judgeFailed],
    [0, { type: 'node-skipped', node: report, because: judge }],
    [
      0,
      {
        type: 'run-finished',
        ok: false,
        nodes: { executed: 1, reused: 0, failed: 1, skipped: 1 },
        durationMs: 4200,
      },
    ],
  )
  expect(summaryLines(failed)).toEqual([
    'failed after 4.2 s: 1 executed, 1 failed, 1 skipped',
    'error[no-verdict]: judge: rows.jsonl:3: no verdict could be read',
    '  hint: look at the rubric',
    '  log:  .flow/failures/1/log',
  ])
})

test('a run that did nothing says so and where the results are; one that did names what it was for', () => {
  const finish = (node: NodeId, outcome: 'executed' | 'reused'): FlowEvent => ({
    type: 'node-finished',
    node,
    outcome,
    key,
    durationMs: 1,
    outputs: { report: { ...output, ...(node === report ? {} : { path: 'data/other' }) } },
  })
  const counts = { executed: 0, reused: 3, failed: 0, skipped: 0 }
  const nothing = view(
    [0, started],
    [0, finish(sft, 'reused')],
    [0, finish(judge, 'reused')],
    [0, finish(report, 'reused')],
    [0, { type: 'run-finished', ok: true, nodes: counts, durationMs: 30 }],
  )
  expect(summaryLines(nothing)).toEqual([
    'nothing to do: 3 nodes up to date (0.03 s)',
    'results: reports/loop.html',
  ])
  const done = view(
    [0, started],
    [0, finish(report, 'executed')],
    [0, { type: 'run-finished', ok: true, nodes: { ...counts, executed: 1, reused: 2 }, durationMs: 90_000 }],
  )
  expect(summaryLines(done)).toEqual([
    'done in 1m 30s: 1 executed, 2 reused',
    '  report: reports/loop.html (report, 2.0 kB)',
  ])
})

test('the plain log thins out progress, shows the last step and mentions a node that falls silent', async () => {
  vi.useFakeTimers({ now: 0 })
  try {
    const lines: string[] = []
    const display = plainDisplay({ write: (text) => lines.push(...text.trimEnd().split('\n')) })
    const at = (ms: number, event: FlowEvent) => {
      vi.setSystemTime(ms)
      display.onEvent(event)
    }
    at(0, started)
    at(0, sftStarted)
    for (let step = 1; step <= 5; step++) at(step * 1000, progress(step))
    at(6000, progress(10))
    expect(lines).toEqual([
      'loop (loop.yaml): 3 nodes',
      'sft     running: params.epochs 2 -> 3',
      'sft     step 3/10, 7.0 s left',
      'sft     step 10/10',
    ])
    vi.advanceTimersByTime(25_000)
    expect(lines.at(-1)).toMatch(/^sft {5}still running, 2\d\.\d s; last: step 10\/10$/)
    expect(lines).toHaveLength(5)
    await display.close()
    expect(vi.getTimerCount()).toBe(0)
  } finally {
    vi.useRealTimers()
  }
})

test('--quiet prints failures and the end, nothing else', () => {
  const lines: string[] = []
  const display = plainDisplay({ write: (text) => lines.push(...text.trimEnd().split('\n')), quiet: true })
  const end: FlowEvent = {
    type: 'run-finished',
    ok: false,
    nodes: { executed: 0, reused: 0, failed: 1, skipped: 2 },
    durationMs: 1000,
  }
  for (const event of [started, sftStarted, progress(10), judgeFailed, end]) display.onEvent(event)
  expect(lines[0]).toBe('failed after 1.0 s: 1 failed, 2 skipped')
  expect(lines[1]).toContain('no verdict could be read')
  return display.close()
})

test('a low terminal keeps what runs and what failed', () => {
  const state = view([0, started], [0, sftStarted], [0, judgeFailed])
  expect(visibleNodes(state.nodes, 10)).toMatchObject({ hidden: 0 })
  const low = visibleNodes(state.nodes, 3)
  expect(low.nodes.map(({ node }) => node)).toEqual([sft, judge])
  expect(low.hidden).toBe(1)
})

test('quantities read as people write them', () => {
  expect([20, 95, 400, 12_340, 59_940, 59_960, 3_599_000, 3_600_000, 7_260_000].map(durationText)).toEqual([
    '0.02 s',
    '0.1 s',
    '0.4 s',
    '12.3 s',
    '59.9 s',
    '1m 00s',
    '59m 59s',
    '1h 00m',
    '2h 01m',
  ])
  expect([0, 999, 1000, 99_400, 123_456, 999_600, 5_300_000_000].map(sizeText)).toEqual([
    '0 B',
    '999 B',
    '1.0 kB',
    '99.4 kB',
    '123 kB',
    '1.0 MB',
    '5.3 GB',
  ])
  expect([0, 1.23456, 0.0002, 1e-7, Number.NaN].map(numberText)).toEqual([
    '0',
    '1.235',
    '0.0002',
    '1.00e-7',
    'NaN',
  ])
  expect(sparkline([1, 2, 3, Number.NaN])).toBe('▁▅█')
  expect(sparkline([])).toBe('')
})
