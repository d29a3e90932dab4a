/**
 * @file The primitive steps of which every working is made, and the one slip that may happen in one of them. What
 * follows from the slip is worked out correctly, so a wrong working is wrong in one place and consistent after it.
 */
import type { SeededRandom } from '../../lm/random.ts'

const LETTERS = 'abcdefghiklmnoprstuvwyxz'
const SPELLING_LETTERS = 'aeioulnrst'

export class Steps {
  /** How many primitive steps were taken so far. */
  count = 0
  readonly #random: SeededRandom
  readonly #slipAt: number | undefined

  /** `slipAt`: index of the step that goes wrong; without it all are right. */
  constructor(random: SeededRandom, slipAt?: number) {
    this.#random = random
    this.#slipAt = slipAt
  }

  /** A number worked out: off by 1, 2 or 10, or (`coarse` false) by 1 up or down or 2 up; never below 0. */
  number(value: number, coarse = true): number {
    if (!this.#slips()) return value
    const offset = this.#random.choice(coarse ? [1, -1, 2, -2, 10, -10] : [1, -1, 2])
    return value + offset >= 0 ? value + offset : value + Math.abs(offset)
  }

  /** A letter read off a word: another letter instead. */
  letter(letter: string): string {
    if (!this.#slips()) return letter
    return this.#random.choice([...LETTERS].filter((other) => other !== letter))
  }

  /** A word spelled out: a letter dropped, one of its letters put in again, or one replaced. */
  spell(word: string): string[] {
    const letters = [...word]
    if (!this.#slips()) return letters
    const at = this.#random.integer(0, letters.length - 1)
    const slip = this.#random.choice(['drop', 'add', 'replace'])
    if (slip === 'drop' && letters.length > 2) letters.splice(at, 1)
    else if (slip === 'add') letters.splice(at, 0, this.#random.choice(letters))
    else letters[at] = this.#random.choice([...SPELLING_LETTERS].filter((other) => other !== letters[at]))
    return letters
  }

  /** One of several words picked: another of them instead. */
  pick(word: string, words: readonly string[]): string {
    if (!this.#slips()) return word
    const others = words.filter((other) => other !== word)
    return others.length > 0 ? this.#random.choice(others) : word
  }

  #slips(): boolean {
    return this.count++ === this.#slipAt
  }
}
