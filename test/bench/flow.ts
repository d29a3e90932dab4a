/** @file Runs workflows for the benchmarks, in a project of their own with the shipped files. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** The folder from which `npm run` starts. */
export const root = process.cwd()
export const results = join(root, 'node_modules/.cache/flow/bench')

/** A folder with the shipped workflows, data and model. What was run there before is reused. */
export function benchProject(name: string): string {
  const project = join(results, name)
  const { stdout } = spawnSync('git', ['ls-files', 'workflows', 'data', 'checkpoints'], {
    cwd: root,
    encoding: 'utf8',
  })
  for (const file of stdout.split('\n').filter(Boolean)) cpSync(join(root, file), join(project, file))
  return project
}

/** Runs the command line; each stage's duration on one line of standard error. */
export async function flow(project: string, args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [join(root, 'engine/cli/flow.js'), ...args], {
    cwd: project,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  const failures: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { type: string; node?: string; durationMs?: number; outcome?: string }
    if (event.type === 'node-failed' || event.type === 'invalid') failures.push(line)
    if (event.type === 'node-finished' && event.outcome === 'executed') {
      process.stderr.write(`${event.node} ${(event.durationMs! / 1000).toFixed(1)} s  `)
    }
  }
  const [exitCode] = await closed
  process.stderr.write('\n')
  if (failures.length > 0 || exitCode !== 0) throw new Error(`flow ${args.join(' ')}\n${failures.join('\n')}`)
}
