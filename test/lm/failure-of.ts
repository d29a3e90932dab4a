/** @file The failure that something ends with; it is an error of the test if it ends well or with a bug. */
import { LmFailure } from '../../lm/failure.ts'

export function failureOf(action: () => unknown): LmFailure {
  try {
    action()
  } catch (error) {
    return expected(error)
  }
  throw new Error('it did not fail')
}

export async function rejectionOf(run: Promise<unknown>): Promise<LmFailure> {
  try {
    await run
  } catch (error) {
    return expected(error)
  }
  throw new Error('it did not fail')
}

function expected(error: unknown): LmFailure {
  if (error instanceof LmFailure) return error
  throw error
}
