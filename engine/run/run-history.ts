/** @file Earlier runs, as people name them, and which of them made a result. */
import type { Diagnostic } from '../diagnostic.ts'
import type { CacheKey } from '../identity.ts'
import type { RunState } from './journal.ts'

export interface RunOfKey {
  readonly runId: string
  /** The workflow's. */
  readonly file: string
  readonly node: string
}

/** The run that made the result of a key, else the latest that reused it. `runs`: latest first. */
export function runOfKey(runs: readonly RunState[], key: CacheKey): RunOfKey | undefined {
  let reused: RunOfKey | undefined
  for (const run of runs) {
    for (const [node, { key: found, state }] of Object.entries(run.nodes)) {
      if (found !== key) continue
      const place = { runId: run.runId, file: run.file, node }
      if (state === 'executed') return place
      reused ??= place
    }
  }
  return reused
}

/**
 * The run that `name` means: its id, the beginning of it where only one begins so, `latest`, or `latest~2` for the
 * second before that among the runs of the same workflow. `runs`: latest first.
 */
export function findRun(
  runs: readonly RunState[],
  name: string,
): { readonly run: RunState } | { readonly fault: Diagnostic } {
  const fault = (message: string, hint?: string) => ({
    fault: {
      code: 'unknown-run',
      severity: 'error' as const,
      message,
      ...(hint === undefined ? {} : { hint }),
    },
  })
  const latest = runs[0]
  if (latest === undefined) return fault('nothing has run here yet')
  const [, back] = /^latest(?:~(\d+))?$/.exec(name) ?? []
  if (name === 'latest' || back !== undefined) {
    const same = runs.filter(({ file }) => file === latest.file)
    const run = same[Number(back ?? 0)]
    if (run !== undefined) return { run }
    return fault(
      `there is no run \`${name}\``,
      `${latest.file} has run ${same.length} times that are still known`,
    )
  }
  const found = runs.filter(({ runId }) => runId === name || runId.startsWith(name))
  if (found.length === 1) return { run: found[0]! }
  const shown = (found.length === 0 ? runs : found).slice(0, 3).map(({ runId }) => runId)
  if (found.length === 0) return fault(`there is no run \`${name}\``, `the latest: ${shown.join(', ')}`)
  return fault(
    `${found.length} runs begin with \`${name}\``,
    `${shown.join(', ')}${found.length > 3 ? ', ...' : ''}`,
  )
}
