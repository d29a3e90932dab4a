/**
 * @file The main job killed at random moments, again and again: what a run has finished never runs again, and what
 * comes out in the end is, byte for byte, what an undisturbed run makes.
 *
 * A rerun may be killed in its turn, so that kills fall on early and late nodes alike; when one gets to its end, its
 * results are compared, and the next begins with nothing.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FlowEvent } from '../../engine/events/event.ts'
import { type FinishedRun, withEvents } from '../cli/test-project.ts'
import { seededRandom } from '../seeded-random.ts'
import { MainJob, nodes, outputHashes } from './main-job.ts'

const kills = 20
const seed = 20260801
/** A kill comes up to so many lines of output after a run's first. A whole run prints about 60. */
const maxLines = 30
/** And up to so much later: most of a node's time passes without a line. */
const maxWaitMs = 600

const job = new MainJob()
let wanted: { readonly values: object; readonly files: object; readonly blobs: object }

beforeAll(async () => {
  const undisturbed = await job.run()
  expect(undisturbed).toMatchObject({ code: 0, stderr: '', executed: nodes })
  wanted = results(undisturbed)
  job.wipe()
}, 180_000)
afterAll(() => job.remove())

function results(run: FinishedRun) {
  return { values: outputHashes(run), files: job.outputs(), blobs: job.blobDigests() }
}

/** Of a run that may have been killed in the midst of a line. */
function eventsOf(lines: readonly string[]): FlowEvent[] {
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as FlowEvent]
    } catch {
      return []
    }
  })
}

test(`killed ${kills} times, it loses no finished node and ends with the same bytes`, async () => {
  const random = seededRandom(seed)
  /** How far the runs had come when they were killed, for the message of a failure. */
  const moments: string[] = []
  let finishedNodes = new Set<string>()
  let ends = 0
  while (moments.length < kills || finishedNodes.size > 0) {
    const done = job.recordedKeys()
    const running = job.start()
    if (moments.length < kills) {
      const line = Math.floor(random() * maxLines)
      const waitMs = random() * maxWaitMs
      await running.line((_, index) => index >= line)
      // The moment is what is drawn here; nothing is waited for.
      await delay(waitMs)
      // Every fourth time the engine dies alone, and its worker learns of it while the rerun is under way.
      if (moments.length % 4 === 3) running.process.kill('SIGKILL')
      else running.killTree()
    }
    const { code, stdout, stderr } = await running.finished
    const events = eventsOf(stdout.split('\n'))
    for (const event of events) {
      if (event.type !== 'node-started') continue
      const again = done.has(event.key) || finishedNodes.has(event.node)
      expect({ moments, node: event.node, again }).toEqual({ moments, node: event.node, again: false })
    }
    expect({ moments, stderr }).toEqual({ moments, stderr: '' })
    for (const event of events) if (event.type === 'node-finished') finishedNodes.add(event.node)

    if (code === null) {
      moments.push(`${finishedNodes.size} done, ${latestNode(events) ?? 'none begun'}`)
      continue
    }
    expect({ moments, code }).toEqual({ moments, code: 0 })
    expect(results(withEvents({ code, stdout, stderr }))).toEqual(wanted)
    expect(await job.run()).toMatchObject({ code: 0, executed: [], reused: nodes })
    ends += 1
    finishedNodes = new Set()
    job.wipe()
  }
  expect(ends).toBeGreaterThan(0)
}, 600_000)

function latestNode(events: readonly FlowEvent[]): string | undefined {
  const last = events.findLast((event) => 'node' in event)
  return last === undefined || !('node' in last) ? undefined : `${last.type} ${last.node}`
}

test('rule 13: interrupted in the midst of training, then killed, it goes on from its last checkpoint to the same bytes', async () => {
  const steps = 12
  const args = ['--until', 'sft', '--param', `max_steps=${steps}`]
  const undisturbed = await job.run(...args)
  expect(undisturbed).toMatchObject({ code: 0, executed: ['sft'] })
  const files = job.outputs()
  job.wipe()

  const interrupted = job.start(...args)
  await interrupted.line((line) => line.includes('"node-progress"'))
  interrupted.process.kill('SIGINT')
  expect((await interrupted.finished).code).toBe(130)

  const killed = job.start(...args)
  await killed.line((line) => line.includes('resuming after step'))
  killed.killTree()
  expect((await killed.finished).code).toBe(null)

  const resumed = await job.run(...args)
  expect(resumed).toMatchObject({ code: 0, stderr: '', executed: ['sft'] })
  expect(resumed.events).toContainEqual(
    expect.objectContaining({
      type: 'node-log',
      message: expect.stringMatching(/^resuming after step \d+ of 12$/),
    }),
  )
  expect(outputHashes(resumed)).toEqual(
    Object.fromEntries(Object.entries(outputHashes(undisturbed)).filter(([name]) => name.startsWith('sft.'))),
  )
  expect(job.outputs()).toEqual(files)
}, 120_000)
