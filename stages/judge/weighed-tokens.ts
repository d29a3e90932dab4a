/** @file How probable each verdict was to a served model, from the likely tokens that it tells at each place. */
import { StageFailure } from 'flow/stage'
import type { VerdictChoice } from '../../lm/judging/verdict.ts'
import type { Written } from '../sampling/writer.ts'

/** As many as the chat completions protocol allows. */
export const likelyTokens = 20

/**
 * Shares of the choices at the token in which the text's verdict begins, among those tokens that begin one choice only.
 * @param start of the verdict in the text
 * @throws StageFailure `no-token-probabilities`, `verdict-not-one-token`
 */
export function sharesAt(
  { text, tokens }: Written,
  start: number,
  choices: readonly VerdictChoice[],
): readonly number[] {
  const joined = tokens?.map((token) => token.text).join('') ?? ''
  // The tokens may begin with white space that the text lacks, and end with the token that ended the answer.
  const shift = text === '' ? -1 : joined.indexOf(text)
  if (shift === -1) {
    throw new StageFailure({
      code: 'no-token-probabilities',
      message: 'the endpoint does not tell the probabilities of its tokens',
      hint: 'take `score_from: text`, or an endpoint that answers `logprobs`',
    })
  }
  let end = 0
  const written = tokens!.find((token) => {
    end += token.text.length
    return end > start + shift
  })!
  // What stands in the same token before the verdict: a space, a bracket.
  const lead = written.text.slice(0, start + shift - (end - written.text.length))
  const masses = choices.map(() => 0)
  for (const { text: token, logp } of written.alternatives) {
    const said = (token.startsWith(lead) ? token.slice(lead.length) : token).trim()
    const begun = choices.flatMap((choice, index) =>
      said !== '' && choice.text.startsWith(said) ? [index] : [],
    )
    if (begun.length === 1) masses[begun[0]!]! += Math.exp(logp)
    else if (begun.length > 1) throw ambiguous(said)
  }
  const total = masses.reduce((sum, mass) => sum + mass, 0)
  if (total === 0) throw ambiguous(written.text)
  return masses.map((mass) => mass / total)
}

/** Before anything is asked. @throws StageFailure `verdict-not-one-token` where one verdict begins another: 1 and 10 */
export function checkDistinct(choices: readonly VerdictChoice[]): void {
  for (const { text } of choices) {
    if (choices.some((other) => other.text !== text && other.text.startsWith(text))) throw ambiguous(text)
  }
}

function ambiguous(token: string): StageFailure {
  return new StageFailure({
    code: 'verdict-not-one-token',
    message: `the endpoint's token \`${token}\` does not tell which verdict it begins`,
    hint: 'choose a range of single digits, 0 to 9 at most, or take `score_from: text`',
  })
}
