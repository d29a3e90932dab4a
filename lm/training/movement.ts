/** @file The proof that a training trained something: a stage that did not must not look as if it had. */
import { LmFailure } from '../failure.ts'
import type { LogRow } from './checkpoint.ts'

/**
 * @param before parameters before the first update
 * @param log rows of updates have a `grad_norm`
 * @throws LmFailure `no-gradient`, `nothing-moved`
 */
export function proveMovement(before: Float32Array, after: Float32Array, log: readonly LogRow[]): void {
  if (!log.some(({ grad_norm: norm }) => typeof norm === 'number' && norm !== 0)) {
    throw new LmFailure({
      code: 'no-gradient',
      message: 'no parameter received a gradient in any step',
      hint: 'the data carries no signal for this objective (equal scores, or every ratio clipped)',
    })
  }
  let moved = false
  for (let index = 0; index < before.length && !moved; index++) moved = before[index] !== after[index]
  if (!moved) {
    throw new LmFailure({
      code: 'nothing-moved',
      message: 'training left every parameter as it was',
      hint: 'the learning rate may be too small, or all steps may lie in the warm-up: `warmup: 0`, or more steps',
    })
  }
}
