/** @file Weights are numbers: a tensor that holds NaN or an infinity is refused by name. */
import { LmFailure } from '../failure.ts'

/** @throws LmFailure `not-finite` */
export function requireFinite(data: Float32Array, name: string, file: string): void {
  // 0 * NaN and 0 * Infinity are NaN: one pass without a branch a value.
  let sum = 0
  for (let index = 0; index < data.length; index++) sum += 0 * data[index]!
  if (sum === 0) return
  const first = data.findIndex((value) => !Number.isFinite(value))
  const count = data.reduce((total, value) => total + (Number.isFinite(value) ? 0 : 1), 0)
  throw new LmFailure({
    code: 'not-finite',
    message: `tensor \`${name}\` holds ${data[first]} at index ${first} (${count} of ${data.length} values are no numbers)`,
    hint: 'the training that wrote it has diverged, or the file is damaged',
    file,
  })
}
