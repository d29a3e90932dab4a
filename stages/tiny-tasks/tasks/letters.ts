/** @file Tasks on words: joining last letters, and finding the word that comes first in the alphabet. */
import { WORDS } from '../words.ts'
import { fill, type Task } from './task.ts'

/** "p l a n e ends in e, c a t ends in t" -> "et" */
export const last: Task = {
  name: 'last',
  draw(random) {
    const words = random.sample(WORDS, 2)
    const wordings = [
      'Join the last letters of {0} and {1}.',
      'What do the last letters of {0} and {1} spell?',
      'Take the final letters of {0} and {1}.',
    ]
    return {
      key: `last ${words.join(' ')}`,
      ask: (random) => fill(random.choice(wordings), words),
      solve(steps) {
        const ends = words.map((word) => {
          const letters = steps.spell(word)
          return { letters, end: steps.letter(letters.at(-1) as string) }
        })
        return {
          working: ends.map(({ letters, end }) => `${letters.join(' ')} ends in ${end}`).join(', '),
          answer: ends.map(({ end }) => end).join(''),
        }
      },
    }
  },
}

/** "saw s, glove g, knife k, first g" -> "glove" */
export const alpha: Task = {
  name: 'alpha',
  draw(random) {
    for (;;) {
      const words = random.sample(WORDS, 3)
      if (new Set(words.map((word) => word[0])).size < 3) continue
      const wordings = [
        'Which comes first in the alphabet: {0}, {1} or {2}?',
        'Sort {0}, {1} and {2}. Which is first?',
      ]
      return {
        key: `alpha ${words.join(' ')}`,
        ask: (random) => fill(random.choice(wordings), words),
        solve(steps) {
          const initials = words.map((word) => steps.letter(word[0] as string))
          const first = [...initials].sort()[0] as string
          return {
            working: `${words.map((word, i) => `${word} ${initials[i]}`).join(', ')}, first ${first}`,
            answer: steps.pick(words[initials.indexOf(first)] as string, words),
          }
        },
      }
    }
  },
}
