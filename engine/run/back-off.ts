/** @file How long to wait before another attempt: longer each time, and not for as long as everybody else. */
import type { RetryPolicy } from '../workflow/workflow.ts'

/**
 * @param failed attempts so far, from 1
 * @param random from 0 to 1: nodes that failed together, at a busy server say, do not come back together
 * @returns from half to all of `delayMs * factor ^ (failed - 1)`, at most `maxDelayMs`
 */
export function backOffMs(
  { delayMs, factor, maxDelayMs }: RetryPolicy,
  failed: number,
  random: number,
): number {
  const full = Math.min(maxDelayMs, delayMs * factor ** (failed - 1))
  return Math.round(full * (0.5 + random / 2))
}
