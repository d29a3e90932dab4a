/** @file Conditions, loops and rounds as they run: what is skipped, what is reused, what runs anew. */
import { expect, it } from 'vitest'
import { TestProject } from './test-project.ts'

const ROUND = `params: { times: { type: integer, default: 2 } }
inputs: { text: { type: text } }
outputs: { text: "\${{ nodes.trim.text }}" }
nodes:
  grow: { uses: upper, in: { text: "\${{ inputs.text }}" }, with: { times: "\${{ params.times }}" } }
  trim: { uses: trim, in: { text: "\${{ nodes.grow.text }}" } }
`
const ROUNDS = `params: { rounds: { type: integer, default: 2 } }
nodes:
  start: { uses: upper, in: { text: a.txt } }
  rounds:
    uses: ./round.yaml
    repeat: { times: "\${{ params.rounds }}", carry: { text: text } }
    in: { text: "\${{ nodes.start.text }}" }
    out: { text: "out/\${{ round }}.txt" }
  all: { uses: join, in: { texts: "\${{ nodes.rounds.*.text }}" }, out: { text: out/all.txt } }
`

it('each round is cached on its own: one more round runs that one alone', async () => {
  const project = new TestProject({ 'a.txt': 'a', 'flows/w.yaml': ROUNDS, 'flows/round.yaml': ROUND })
  const first = await project.run('flows/w.yaml')
  expect(first.executed).toEqual([
    'all',
    'rounds/1/grow',
    'rounds/1/trim',
    'rounds/2/grow',
    'rounds/2/trim',
    'start',
  ])
  expect(project.read('out/all.txt')).toBe('AA+AAAA')
  const second = await project.run('flows/w.yaml', '--param', 'rounds=3')
  expect(second.executed).toEqual(['all', 'rounds/3/grow', 'rounds/3/trim'])
  expect(project.read('out/3.txt')).toBe('AAAAAAAA')
  expect((await project.run('flows/w.yaml', '--param', 'rounds=3')).executed).toEqual([])
  const only = await project.run(
    'flows/w.yaml',
    '--param',
    'rounds=3',
    '--only',
    'rounds/2',
    '--refresh=rounds/2',
  )
  expect(only.executed).toEqual(['rounds/2/grow', 'rounds/2/trim'])
})

it('a change in a used file, or in a file of params, is seen by the next run', async () => {
  const project = new TestProject({
    'a.txt': 'a',
    'flows/w.yaml': `include: values.yaml\n${ROUNDS}`,
    'flows/values.yaml': 'rounds: 1\n',
    'flows/round.yaml': ROUND,
  })
  expect((await project.run('flows/w.yaml')).executed).toEqual([
    'all',
    'rounds/1/grow',
    'rounds/1/trim',
    'start',
  ])
  project.write('flows/round.yaml', ROUND.replace('default: 2', 'default: 3'))
  expect((await project.run('flows/w.yaml')).executed).toEqual(['all', 'rounds/1/grow', 'rounds/1/trim'])
  expect(project.read('out/1.txt')).toBe('AAA')
  project.write('flows/values.yaml', 'rounds: 0\n')
  const none = await project.run('flows/w.yaml')
  expect(none.executed).toEqual([])
  expect(none.events).toContainEqual(
    expect.objectContaining({ type: 'node-skipped', node: 'all', because: 'condition' }),
  )
  project.write('flows/round.yaml', 'nodes: [')
  const broken = await project.flow('run', 'flows/w.yaml')
  expect(broken.code).toBe(2)
  expect(broken.stderr).toContain('flows/round.yaml:1:8: error[yaml-syntax]')
})

it('rule 20: what a skipped node leaves out is part of the key of what reads from it', async () => {
  const workflow = `params: { more: { type: boolean, default: true } }
nodes:
  a: { uses: upper, in: { text: a.txt } }
  b: { uses: upper, when: "\${{ params.more }}", in: { text: b.txt } }
  both: { uses: join, in: { texts: { a: "\${{ nodes.a.text }}", b: "\${{ nodes.b.text }}" } }, out: { text: out/both.txt } }
  next: { uses: trim, in: { text: "\${{ nodes.b.text }}" } }
`
  const project = new TestProject({ 'a.txt': 'a', 'b.txt': 'b', 'w.yaml': workflow })
  expect((await project.run('w.yaml')).executed).toEqual(['a', 'b', 'both', 'next'])
  expect(project.read('out/both.txt')).toBe('A+B')
  const without = await project.run('w.yaml', '--param', 'more=false')
  expect(without.code).toBe(0)
  expect(without.executed).toEqual(['both'])
  expect(project.read('out/both.txt')).toBe('A')
  const skipped = without.events.filter((event) => event.type === 'node-skipped')
  expect(skipped.map(({ node, because, reason }) => [node, because, reason])).toEqual([
    ['b', 'condition', 'its condition is false: params.more'],
    ['next', 'condition', 'input `text`: `b` does not run'],
  ])
  const plan = JSON.parse((await project.flow('plan', 'w.yaml', '--param', 'more=false', '--json')).stdout)
  expect(plan.nodes.map((node: { node: string; decision: string }) => [node.node, node.decision])).toEqual([
    ['a', 'reuse'],
    ['b', 'skip'],
    ['both', 'reuse'],
    ['next', 'skip'],
  ])
  expect((await project.run('w.yaml')).executed).toEqual([])
  expect(project.read('out/both.txt')).toBe('A+B')
})
