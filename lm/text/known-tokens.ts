/** @file Token ids that a model has no embedding for, as data hold them that another model wrote. */
import { LmFailure } from '../failure.ts'

/** @throws LmFailure `unknown-token` */
export function requireKnownTokens(
  sequences: Iterable<readonly number[]>,
  { vocabularySize }: { readonly vocabularySize: number },
): void {
  for (const ids of sequences) {
    const unknown = ids.find((id) => id >= vocabularySize)
    if (unknown === undefined) continue
    throw new LmFailure({
      code: 'unknown-token',
      message: `token id ${unknown} is not known to the model: its embedding has ${vocabularySize} rows`,
      hint: 'the token ids in the data are those of another model',
    })
  }
}
