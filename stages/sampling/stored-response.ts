/** @file An answer as the `responses` artifact has it. */
import type { Written } from './writer.ts'

/** Log-probabilities are kept to a millionth: the noise between two right implementations is larger. */
const logpDigits = 6

export function storedResponse({ text, ids, logps, finished }: Written) {
  return {
    text,
    ...(ids !== undefined && { token_ids: ids }),
    ...(logps !== undefined && { logps: logps.map((logp) => Number(logp.toFixed(logpDigits))) }),
    finished,
  }
}
