/** @file A workflow from nothing: in a fresh project with the shipped files, through the command line. */
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { benchProject, runWorkflow } from '../flow.ts'
import { peakMemory, readSettings, report } from './measure.ts'

interface Settings {
  readonly workflow: string
  readonly args: readonly string[]
}

const sampleMs = 100
const pageBytes = 4096

export async function main(argv: readonly string[]): Promise<number> {
  const { workflow, args } = readSettings<Settings>(argv)
  const project = benchProject(`fresh-${process.pid}`)
  try {
    const nodes: Record<string, number> = {}
    let peakBytes = 0
    let sampling: NodeJS.Timeout | undefined
    const startMs = performance.now()
    await runWorkflow(project, [workflow, ...args], {
      started: (processId) => {
        sampling = setInterval(() => {
          peakBytes = Math.max(peakBytes, treeBytes(processId))
        }, sampleMs)
      },
      executed: (node, seconds) => {
        nodes[`${node}, s`] = seconds
      },
    }).finally(() => clearInterval(sampling))
    const seconds = (performance.now() - startMs) / 1000
    return report({ figures: { 'time, s': seconds, [peakMemory]: peakBytes / 1e9, ...nodes } })
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

/** Memory of a process and its descendants together; shared pages count in each. 0 where there is no /proc. */
function treeBytes(ancestor: number): number {
  let processes: string[]
  try {
    processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return 0
  }
  const parents = new Map<number, number>()
  const sizes = new Map<number, number>()
  for (const id of processes) {
    try {
      // The name in brackets may hold anything.
      const fields = readFileSync(`/proc/${id}/stat`, 'utf8').split(') ').at(-1)!.split(' ')
      parents.set(Number(id), Number(fields[1]))
      sizes.set(Number(id), Number(fields[21]) * pageBytes)
    } catch {
      // It has ended meanwhile.
    }
  }
  const belongs = (id: number | undefined): boolean =>
    id !== undefined && id > 1 && (id === ancestor || belongs(parents.get(id)))
  return [...sizes].reduce((sum, [id, size]) => (belongs(id) ? sum + size : sum), 0)
}
