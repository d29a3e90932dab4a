/** @file The failure of a training whose numbers have left the finite ones. */
import { LmFailure } from '../failure.ts'

export function notANumber(
  what: 'loss' | 'gradient' | 'held-out loss',
  value: number,
  step: number,
): LmFailure {
  return new LmFailure({
    code: 'not-a-number',
    message: `the ${what} is ${value} at step ${step}`,
    hint: 'lower the learning rate; `max_grad_norm` 1 keeps single batches from doing this',
  })
}
