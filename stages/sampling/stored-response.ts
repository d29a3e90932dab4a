/** @file An answer as the `responses` artifact has it. */
import type { Generated } from '../../lm/generate/generate.ts'

/** Log-probabilities are kept to a millionth: the noise between two right implementations is larger. */
const logpDigits = 6

export function storedResponse({ text, ids, logps, finished }: Generated & { readonly text: string }) {
  return {
    text,
    token_ids: ids,
    logps: logps.map((logp) => Number(logp.toFixed(logpDigits))),
    finished,
  }
}
