/**
 * @file The attempts at one piece of work. Each holds what the node needs while it runs; between two of them, while the
 * cause of the failure may pass, nothing is held.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { backOffMs } from './back-off.ts'
import type { Execution } from './execute-node.ts'
import { type PerformedWork, performWork } from './perform-work.ts'
import type { RunContext } from './run-workflow.ts'

export async function attemptWork(
  context: RunContext,
  work: Omit<Execution, 'gpus' | 'attempt'>,
): Promise<PerformedWork> {
  const { emit, signal } = context
  const { retry } = work.node.policy
  const attempts = 1 + (retry?.times ?? 0)
  for (let attempt = 1; ; attempt++) {
    const performed = await performWork(context, { ...work, attempt })
    const mayPass = 'failure' in performed && performed.failure.retryable === true
    if (!mayPass || attempt >= attempts || retry === undefined) return performed
    const delayMs = backOffMs(retry, attempt, Math.random())
    const { stack: _, ...failure } = performed.failure
    const next = { attempt: attempt + 1, attempts, delayMs }
    emit({ type: 'node-retrying', node: work.node.id, ...next, failure, log: performed.log })
    const woken = await sleep(delayMs, true, { signal }).catch(() => false)
    if (!woken) return { interrupted: true }
  }
}
