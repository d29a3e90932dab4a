/**
 * @file A workflow with trainings in it, killed at random moments: the engine, its workers, or both. Seeded; 20 rounds
 * here, 200 in `npm run test:soak`, which sets FLOW_SOAK_ROUNDS and FLOW_SOAK_SEED.
 */
import { cpSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { FlowEvent } from '../../engine/events/event.ts'
import { type FinishedRun, TestProject, withEvents } from '../cli/test-project.ts'
import { seededRandom } from '../seeded-random.ts'
import { leftBehind, storeFaults } from './verify-store.ts'

const rounds = Number(process.env.FLOW_SOAK_ROUNDS ?? 20)
const seed = Number(process.env.FLOW_SOAK_SEED ?? 20_262)
/** A kill comes so long after some line of a run's output, at most: much of a node's time passes without a line. */
const maxWaitMs = 300

const shipped = fileURLToPath(new URL('../..', import.meta.url))

const workflow = `nodes:
  sft:
    uses: sft
    in: { model: checkpoints/tiny-base, data: rows.json }
    with: { max_steps: 8, batch_size: 2, max_length: 48, learning_rate: 2.0e-3, lora: { r: 2, alpha: 4 } }
    out: { adapter: out/sft, log: out/sft.jsonl }
  sft_report: { uses: report, in: { logs: { sft: '\${{ nodes.sft.log }}' } }, out: { report: out/sft.html } }
  dpo:
    uses: dpo
    in: { model: checkpoints/tiny-base, adapter: '\${{ nodes.sft.adapter }}', data: pairs.jsonl }
    with: { max_steps: 5, batch_size: 2, max_length: 48, learning_rate: 1.0e-3 }
    out: { adapter: out/dpo, log: out/dpo.jsonl }
  clean: { uses: trim, in: { text: in.txt }, out: { text: out/clean.txt } }
  loud:  { uses: upper, in: { text: '\${{ nodes.clean.text }}' }, out: { text: out/loud.txt } }
  all:
    uses: report
    in: { logs: { sft: '\${{ nodes.sft.log }}', dpo: '\${{ nodes.dpo.log }}' } }
    out: { report: out/all.html }
`
const nodes = ['all', 'clean', 'dpo', 'loud', 'sft', 'sft_report']
const victims = ['engine', 'workers', 'both'] as const

/** A checkpoint after every update, so that a resume is at stake wherever a kill comes. */
const environment = { FLOW_CHECKPOINT_MS: '0' }

class Training extends TestProject {
  constructor() {
    const rows = JSON.parse(readFileSync(join(shipped, 'data/alpaca_mini.json'), 'utf8')) as object[]
    const pairs = readFileSync(join(shipped, 'data/dpo_training_manual.jsonl'), 'utf8').split('\n')
    super({
      'w.yaml': workflow,
      'in.txt': ' some text ',
      'rows.json': JSON.stringify(rows.slice(0, 24)),
      'pairs.jsonl': `${pairs.slice(0, 16).join('\n')}\n`,
    })
    cpSync(join(shipped, 'checkpoints/tiny-base'), join(this.folder, 'checkpoints/tiny-base'), {
      recursive: true,
    })
  }

  startTraining() {
    return this.start(['run', '--json', 'w.yaml'], environment)
  }

  async train(): Promise<FinishedRun> {
    return withEvents(await this.startTraining().finished)
  }

  /** All that runs have left, as if there had been none. */
  wipe(): void {
    for (const path of ['.flow', 'out']) rmSync(join(this.folder, path), { recursive: true, force: true })
  }

  outputs(): Record<string, string> {
    return Object.fromEntries(
      this.files('out').map((path) => [path, readFileSync(join(this.folder, path)).toString('base64')]),
    )
  }

  recordedKeys(): Set<string> {
    try {
      return new Set(this.files('.flow/actions').map((path) => basename(path, '.json')))
    } catch {
      return new Set()
    }
  }

  storeFaults(): string[] {
    return storeFaults(join(this.folder, '.flow'))
  }
}

/** Of a run that may have been killed in the midst of a line. */
function eventsOf(stdout: string): FlowEvent[] {
  return stdout.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as FlowEvent]
    } catch {
      return []
    }
  })
}

/** Whether a stage had begun and not ended when the events stopped. */
function hitRunningStage(events: readonly FlowEvent[]): boolean {
  const open = new Set<string>()
  for (const event of events) {
    if (event.type === 'node-started') open.add(event.node)
    else if (event.type === 'node-finished') open.delete(event.node)
  }
  return open.size > 0
}

test(`rule 8: ${rounds} kills of engine, workers or both (seed ${seed}) lose no node that was done, and no byte differs`, {
  timeout: 120_000 + rounds * 30_000,
}, async () => {
  const project = new Training()
  const undisturbed = await project.train()
  expect(undisturbed).toMatchObject({ code: 0, stderr: '', executed: nodes })
  const lineCount = undisturbed.events.length
  const wanted = project.outputs()
  project.wipe()

  const random = seededRandom(seed)
  const tally = { rounds: 0, hitRunning: 0, resumed: 0, completed: 0 }
  let completedSinceWipe = false
  while (tally.rounds < rounds || !completedSinceWipe) {
    const done = project.recordedKeys()
    const victim = victims[Math.floor(random() * victims.length)]!
    const line = 1 + Math.floor(random() * (lineCount - 1))
    const waitMs = random() * maxWaitMs
    const kill = tally.rounds < rounds
    const at = kill
      ? `round ${tally.rounds}: ${victim}, ${Math.round(waitMs)} ms after line ${line}`
      : 'the last run'
    const running = project.startTraining()
    if (kill) {
      await running.line((_, index) => index >= line)
      // The moment is what is drawn here; nothing is waited for.
      await delay(waitMs)
      if (victim === 'engine') running.process.kill('SIGKILL')
      else if (victim === 'workers') running.killWorkers()
      else running.killTree()
    }
    const { code, stdout, stderr } = await running.finished
    const events = eventsOf(stdout)
    tally.rounds += kill ? 1 : 0
    tally.hitRunning += hitRunningStage(events) ? 1 : 0
    tally.resumed += events.filter(
      (event) => event.type === 'node-log' && event.message.startsWith('resuming'),
    ).length

    expect({ at, stderr }).toEqual({ at, stderr: '' })
    const again = events.flatMap((event) =>
      event.type === 'node-started' && done.has(event.key) ? [event.node] : [],
    )
    expect({ at, again }).toEqual({ at, again: [] })
    for (const event of events) {
      if (event.type !== 'node-failed') continue
      expect({ at, kill: kill && victim, code: event.failure.code }).toEqual({
        at,
        kill: 'workers',
        code: 'worker-killed',
      })
    }
    const broken = project.storeFaults().filter((fault) => !fault.endsWith(leftBehind))
    expect({ at, broken }).toEqual({ at, broken: [] })

    completedSinceWipe = code === 0
    if (code !== 0) continue
    tally.completed += 1
    expect({ at, outputs: project.outputs() }).toEqual({ at, outputs: wanted })
    const idle = await project.train()
    expect({ at, code: idle.code, executed: idle.executed }).toEqual({ at, code: 0, executed: [] })
    expect({ at, faults: project.storeFaults() }).toEqual({ at, faults: [] })
    project.wipe()
  }
  process.stdout.write(`kills of engine, workers or both (seed ${seed}): ${JSON.stringify(tally)}\n`)
  expect(tally.hitRunning).toBeGreaterThan(rounds / 3)
  expect(tally.resumed).toBeGreaterThan(0)
})
