import { render } from 'ink-testing-library'
import { expect, test } from 'vitest'
import type { FlowEvent } from '../../engine/events/event.ts'
import type { CacheKey, ContentHash, NodeId, RunId } from '../../engine/identity.ts'
import { RunScreen } from '../../engine/terminal/components/run-screen.tsx'
import { emptyRunView, reduceRunView } from '../../engine/terminal/view-model.ts'

const names = ['prepare', 'sft', 'judge', 'dpo', 'report'] as NodeId[]
const [prepare, sft, judge, dpo, report] = names as [NodeId, NodeId, NodeId, NodeId, NodeId]
const key = 'k' as CacheKey

test('the live view shows state, progress, loss, outputs and reasons of each node', () => {
  const events: FlowEvent[] = [
    {
      type: 'run-started',
      runId: 'r' as RunId,
      workflow: 'loop',
      file: 'loop.yaml',
      nodes: names.map((node) => ({ node, stage: node === dpo ? 'train' : node, dependsOn: [] })),
    },
    {
      type: 'node-finished',
      node: prepare,
      outcome: 'reused',
      key,
      durationMs: 1,
      outputs: {},
      reason: 'up to date',
    },
    { type: 'node-started', node: sft, stage: 'sft', key, reason: 'no earlier result' },
    {
      type: 'node-finished',
      node: sft,
      outcome: 'executed',
      key,
      durationMs: 12_300,
      outputs: {
        adapter: {
          type: 'adapter',
          hash: 'h' as ContentHash,
          sizeBytes: 1,
          path: 'checkpoints/sft',
          description: 'rank 8',
        },
      },
    },
    { type: 'node-started', node: dpo, stage: 'train', key, reason: 'params.beta 0.1 -> 0.2' },
    { type: 'node-progress', node: dpo, step: 1, total: 4, loss: 0.7, tokensPerSecond: 812.4 },
    { type: 'node-progress', node: dpo, step: 2, total: 4, loss: 0.5, tokensPerSecond: 812.4 },
    { type: 'node-log', node: dpo, level: 'info', message: 'on the CPU' },
    {
      type: 'node-failed',
      node: judge,
      durationMs: 5,
      failure: { code: 'no-verdict', message: 'no verdict could be read' },
    },
    { type: 'node-skipped', node: report, because: judge },
  ]
  const said = [{ text: 'warning: the input changed', warning: true }] as const
  const view = events.reduce((state, event, index) => reduceRunView(state, event, index), emptyRunView)
  const { lastFrame, unmount } = render(
    <RunScreen source={{ view: () => view, said: () => said, subscribe: () => () => {} }} />,
  )
  const frame = lastFrame() ?? ''
  unmount()
  expect(frame).toContain('warning: the input changed')
  expect(frame).toMatch(/^loop loop\.yaml/m)
  expect(frame).toMatch(/^↺ prepare +reused: up to date$/m)
  expect(frame).toMatch(/^✔ sft +12\.3 s, checkpoints\/sft \(rank 8\)$/m)
  expect(frame).toMatch(/^● dpo +train ━{16} step 2\/4 +.* left +loss 0\.5 +█▁ +812 tokens\/s/m)
  expect(frame).toMatch(/^ +params\.beta 0\.1 -> 0\.2 · on the CPU$/m)
  expect(frame).toMatch(/^✖ judge +no verdict could be read$/m)
  expect(frame).toMatch(/^– report +judge failed$/m)
})
