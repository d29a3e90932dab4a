import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { seededRandom } from '../seeded-random.ts'
import { TestProject } from './test-project.ts'

const workflow = `nodes:
  clean: { uses: trim, in: { text: in.txt }, out: { text: out/clean.txt } }
  once:  { uses: upper, in: { text: '\${{ nodes.clean.text }}' } }
  twice: { uses: upper, in: { text: '\${{ nodes.clean.text }}' }, with: { times: 2 } }
  left:
    uses: join
    in: { texts: ['\${{ nodes.once.text }}', '\${{ nodes.twice.text }}'] }
    out: { text: out/left.txt, parts: out/left }
  right:
    uses: join
    in: { texts: { a: '\${{ nodes.twice.text }}', b: '\${{ nodes.clean.text }}' } }
    out: { text: out/right.txt, parts: out/right }
  all:
    uses: join
    in: { texts: ['\${{ nodes.left.text }}', '\${{ nodes.right.text }}'] }
    out: { text: out/all.txt, parts: out/all }
`

const moments = 10
/** More lines than the whole run prints: some kills come too late, as they do in life. */
const lines = 30
const jitterMs = 60

test('killed at any moment, a run loses no finished node, and the next one ends with the same bytes', async () => {
  const files = { 'w.yaml': workflow, 'in.txt': ' some text ' }
  const undisturbed = new TestProject(files)
  expect((await undisturbed.run('w.yaml')).code).toBe(0)
  const wanted = contents(undisturbed)
  expect(Object.keys(wanted)).toHaveLength(10)

  const random = seededRandom(20260731)
  let killedInside = 0
  for (let moment = 0; moment < moments; moment++) {
    const project = new TestProject(files)
    const line = Math.floor(random() * lines)
    const waitMs = random() * jitterMs
    const running = project.start(['run', '--json', '--jobs', '2', 'w.yaml'])
    await running.line((_, index) => index >= line)
    // The moment is what is drawn here; nothing is waited for.
    await delay(waitMs)
    running.killTree()
    const killed = await running.finished
    if (killed.code === null) killedInside += 1

    const finished = finishedNodes(project)
    const rerun = await project.run('w.yaml', '--jobs', '2')
    expect({ moment, code: rerun.code, stderr: rerun.stderr }).toEqual({ moment, code: 0, stderr: '' })
    expect({ moment, again: rerun.executed.filter((node) => finished.has(node)) }).toEqual({
      moment,
      again: [],
    })
    expect(contents(project)).toEqual(wanted)
  }
  expect(killedInside).toBeGreaterThan(moments / 2)
})

/** Nodes that the journal of the killed run calls done. */
function finishedNodes(project: TestProject): Set<string> {
  const finished = new Set<string>()
  for (const runId of runIds(project)) {
    // The last line may be cut off.
    for (const text of project.read(`.flow/runs/${runId}/events.jsonl`).split('\n').slice(0, -1)) {
      const event = JSON.parse(text) as { type: string; node: string }
      if (event.type === 'node-finished') finished.add(event.node)
    }
  }
  return finished
}

function runIds(project: TestProject): string[] {
  try {
    return readdirSync(join(project.folder, '.flow/runs'))
  } catch {
    return []
  }
}

function contents(project: TestProject): Record<string, string> {
  return Object.fromEntries(project.files('out').map((path) => [path, project.read(path)]))
}
