/**
 * @file A fault at the calls of a run to the file system, one at a time. In the tests a seeded sample of calls and
 * faults; more of them, or all, in `npm run test:soak`.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../seeded-random.ts'
import { type FaultMode, type FileCall, modesOf } from './fault-plan.ts'
import { FaultyProject, faultsOfEnd, nodes } from './faulty-project.ts'

/** How many faults in each of the two runs; `Infinity` for all. */
const sampled = Number(process.env.FLOW_SOAK_FAULTS ?? 10)
const seed = Number(process.env.FLOW_SOAK_SEED ?? 20_261)

interface Case {
  readonly call: FileCall
  readonly mode: FaultMode
}

function casesAt(calls: readonly FileCall[]): Case[] {
  const all = calls.flatMap((call) => modesOf(call).map((mode) => ({ call, mode })))
  const random = seededRandom(seed)
  return all
    .map((one) => ({ one, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .slice(0, sampled)
    .map(({ one }) => one)
}

test.each(['a first run', 'a run after an edit'] as const)(
  'rule 8: %s that meets a fault at any call leaves no half result, and the next run completes it',
  async (which) => {
    const project = new FaultyProject()
    if (which === 'a run after an edit') {
      expect((await project.run('w.yaml')).code).toBe(0)
      project.write('in.txt', ' other words ')
    }
    project.keep()
    // What is brought back has other inodes than it had: that costs some calls.
    project.restore()
    const calls = await project.listCalls()
    const wanted = project.contents()
    const undisturbed = await project.run('w.yaml')
    expect(undisturbed).toMatchObject({ code: 0, executed: [], reused: nodes })
    expect(project.storeFaults()).toEqual([])

    let met = 0
    const cases = casesAt(calls)
    for (const { call, mode } of cases) {
      project.restore()
      const before = project.contents()
      const faulty = await project.attack(call, mode)
      if (faulty.met !== undefined) met += 1
      const at = faulty.met ?? `${mode}: ${call.name} ${call.path}, not met`
      expect({ at, faults: faultsOfEnd(project, faulty, wanted) }).toEqual({ at, faults: [] })
      for (const path of ['in.txt', 'out/notes.txt', 'notes/.new-notes']) {
        expect({ at, path, content: project.contents()[path] }).toEqual({ at, path, content: before[path] })
      }
      expect({ at, faults: project.brokenPromises() }).toEqual({ at, faults: [] })
      const recorded = project.recordedKeys()

      const rerun = await project.run('w.yaml')
      expect({
        at,
        code: rerun.code,
        out: rerun.code === 0 ? '' : rerun.stdout,
        stderr: rerun.stderr,
      }).toEqual({
        at,
        code: 0,
        out: '',
        stderr: '',
      })
      const again = rerun.events.flatMap((event) =>
        event.type === 'node-started' && recorded.has(event.key) ? [event.node] : [],
      )
      expect({ at, again }).toEqual({ at, again: [] })
      expect({ at, contents: project.contents() }).toEqual({ at, contents: wanted })
      expect({ at, faults: project.storeFaults() }).toEqual({ at, faults: [] })
    }
    expect(met).toBeGreaterThan(cases.length * 0.9)
  },
  60_000 + Math.min(sampled, 10_000) * 5_000,
)
