/**
 * @file The main job in processes that serve one node after another, and in a process a node: the same bytes, and the
 * model is loaded once instead of once a node.
 */
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { FinishedRun } from '../cli/test-project.ts'
import { MainJob, nodes, outputHashes } from './main-job.ts'

const readersOfTheModel = nodes.filter((node) => !['clean', 'report'].includes(node))

let job: MainJob
beforeEach(() => {
  job = new MainJob()
})
afterEach(() => job.remove())

/** Nodes in whose log a line begins so. */
function nodesThatSay({ events }: FinishedRun, beginning: string): string[] {
  return events.flatMap((event) =>
    event.type === 'node-log' && event.message.startsWith(beginning) ? [String(event.node)] : [],
  )
}

test('one process serves all nodes, loads the model once, and makes the very bytes that a process a node makes', async () => {
  const pooled = await job.run()
  expect(pooled).toMatchObject({ code: 0, stderr: '', executed: nodes })
  expect(nodesThatSay(pooled, 'model loaded in')).toEqual(['sft'])
  expect(nodesThatSay(pooled, 'model kept from an earlier node').sort()).toEqual(
    readersOfTheModel.filter((node) => node !== 'sft'),
  )
  const made = { values: outputHashes(pooled), files: job.outputs(), blobs: job.blobDigests() }

  job.wipe()
  const isolated = await job.run('--isolate')
  expect(isolated).toMatchObject({ code: 0, stderr: '', executed: nodes })
  expect(nodesThatSay(isolated, 'model loaded in').sort()).toEqual(readersOfTheModel)
  expect({ values: outputHashes(isolated), files: job.outputs(), blobs: job.blobDigests() }).toEqual(made)
}, 300_000)

test('rule 13: interrupted, then killed, then resumed in a process that served another node, dpo ends with the same bytes', async () => {
  const args = ['--until', 'dpo', '--param', 'max_steps=30']
  const ofDpo = (line: string, type: string) => line.includes(`"type":"${type}","node":"dpo"`)
  const interrupted = job.start(...args)
  await interrupted.line((line) => ofDpo(line, 'node-progress') && line.includes('"loss"'))
  interrupted.process.kill('SIGINT')
  expect((await interrupted.finished).code).toBe(130)

  // sft is run anew, so that dpo comes second in its process.
  const anew = [...args, '--refresh', 'sft']
  const killed = job.start(...anew)
  await killed.line((line) => ofDpo(line, 'node-log') && line.includes('resuming after step'))
  killed.killWorkers()
  const { code, stdout } = await killed.finished
  expect(code).toBe(1)
  expect(stdout).toContain('"code":"worker-killed"')

  const resumed = await job.run(...anew)
  expect(resumed).toMatchObject({ code: 0, stderr: '', executed: ['dpo', 'sft'] })
  expect(nodesThatSay(resumed, 'resuming after step')).toEqual(['dpo'])
  expect(nodesThatSay(resumed, 'model kept from an earlier node')).toEqual(['dpo'])
  const made = { values: outputHashes(resumed), files: job.outputs() }

  job.wipe()
  const undisturbed = await job.run(...args)
  expect({ values: outputHashes(undisturbed), files: job.outputs() }).toEqual(made)
}, 300_000)
