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

export interface RunHooks {
  readonly started?: (processId: number) => void
  /** A node was executed, not reused. */
  readonly executed: (node: string, seconds: number) => void
}

const shown: RunHooks = {
  executed: (node, seconds) => process.stderr.write(`${node} ${seconds.toFixed(1)} s\n`),
}

/**
 * `flow run ...args --json` in `project`; by default each node's time goes to standard error.
 * @throws Error where it fails, with the events that say why
 */
export async function runWorkflow(
  project: string,
  args: readonly string[],
  { started, executed }: RunHooks = shown,
): Promise<void> {
  const command = [join(root, 'engine/cli/flow.js'), 'run', ...args, '--json']
  const child = spawn(process.execPath, command, { cwd: project, stdio: ['ignore', 'pipe', 'inherit'] })
  const closed = once(child, 'close')
  started?.(child.pid!)
  const failures: string[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    const event = JSON.parse(line) as { type: string; node?: string; durationMs?: number; outcome?: string }
    if (event.type === 'node-failed' || event.type === 'invalid') failures.push(line)
    if (event.type === 'node-finished' && event.outcome === 'executed')
      executed(event.node!, event.durationMs! / 1000)
  }
  const [exitCode] = await closed
  if (failures.length > 0 || exitCode !== 0)
    throw new Error(`flow run ${args.join(' ')} ended with ${exitCode}\n${failures.join('\n')}`)
}
