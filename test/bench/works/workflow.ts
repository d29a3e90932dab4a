/** @file A workflow from nothing: in a fresh project with the shipped files, through the command line. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { benchProject, root } from '../flow.ts'
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
    const startMs = performance.now()
    const command = [join(root, 'engine/cli/flow.js'), 'run', workflow, '--json', ...args]
    const child = spawn(process.execPath, command, { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] })
    const closed = once(child, 'close')
    let peakBytes = 0
    const sampling = setInterval(() => {
      peakBytes = Math.max(peakBytes, treeBytes(child.pid!))
    }, sampleMs)
    const nodes: Record<string, number> = {}
    for await (const line of createInterface({ input: child.stdout })) {
      const event = JSON.parse(line) as { type: string; node?: string; durationMs?: number; outcome?: string }
      if (event.type === 'node-failed' || event.type === 'invalid') throw new Error(line)
      if (event.type === 'node-finished' && event.outcome === 'executed')
        nodes[`${event.node}, s`] = event.durationMs! / 1000
    }
    const [exitCode] = await closed
    clearInterval(sampling)
    if (exitCode !== 0) throw new Error(`flow ended with ${exitCode}`)
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
