/** @file Tasks on numbers: sums and differences of two-digit numbers, sums of four digits, and short stories. */
import { ITEMS, NAMES } from '../words.ts'
import { fill, type Task } from './task.ts'

const tens = (value: number): number => Math.floor(value / 10) * 10
const ones = (value: number): number => value % 10

/** "40+30=70, 7+8=15, 70+15=85" */
export const add: Task = {
  name: 'add',
  draw(random) {
    for (;;) {
      const a = random.integer(11, 89)
      const b = random.integer(11, 89)
      if (ones(a) === 0 || ones(b) === 0 || a + b >= 140) continue
      const wordings = [
        'What is {0} plus {1}?',
        'Add {0} and {1}.',
        'Work out {0}+{1}.',
        'How much is {0} plus {1}?',
      ]
      return {
        // The order of the two numbers does not make another problem.
        key: `add ${Math.min(a, b)} ${Math.max(a, b)}`,
        ask: (random) => fill(random.choice(wordings), [a, b]),
        solve(steps) {
          const t = steps.number(tens(a) + tens(b))
          const u = steps.number(ones(a) + ones(b), false)
          const sum = steps.number(t + u)
          return {
            working: `${tens(a)}+${tens(b)}=${t}, ${ones(a)}+${ones(b)}=${u}, ${t}+${u}=${sum}`,
            answer: String(sum),
          }
        },
      }
    }
  },
}

/** "83-40=43, 43-7=36" */
export const sub: Task = {
  name: 'sub',
  draw(random) {
    for (;;) {
      const a = random.integer(21, 99)
      const b = random.integer(11, 89)
      if (ones(a) === 0 || ones(b) === 0 || a <= b) continue
      const wordings = [
        'What is {0} minus {1}?',
        'Take {1} away from {0}.',
        'Work out {0}-{1}.',
        'How much is {0} less {1}?',
      ]
      return {
        key: `sub ${a} ${b}`,
        ask: (random) => fill(random.choice(wordings), [a, b]),
        solve(steps) {
          const t = steps.number(a - tens(b))
          const difference = steps.number(t - ones(b))
          return {
            working: `${a}-${tens(b)}=${t}, ${t}-${ones(b)}=${difference}`,
            answer: String(difference),
          }
        },
      }
    }
  },
}

/** "8+5=13, 13+9=22, 22+4=26" */
export const sum4: Task = {
  name: 'sum4',
  draw(random) {
    const digits = Array.from({ length: 4 }, () => random.integer(2, 9))
    const wordings = [
      'Add {0}, {1}, {2} and {3}.',
      'What is the sum of {0}, {1}, {2}, {3}?',
      'Find the total of {0}, {1}, {2} and {3}.',
    ]
    return {
      key: `sum4 ${digits.join(' ')}`,
      ask: (random) => fill(random.choice(wordings), digits),
      solve(steps) {
        const [first = 0, ...rest] = digits
        let total = first
        const lines = rest.map((digit) => {
          const next = steps.number(total + digit, false)
          const line = `${total}+${digit}=${next}`
          total = next
          return line
        })
        return { working: lines.join(', '), answer: String(total) }
      },
    }
  },
}

const GAINS = ['finds {0} more', 'buys {0} more', 'gets {0} more']
const LOSSES = ['loses {0}', 'gives away {0}', 'sells {0}']

/** "12+9=21, 21-5=16" */
export const story: Task = {
  name: 'story',
  draw(random) {
    const start = random.integer(12, 60)
    const changes = [0, 1].map(() => ({ sign: random.choice(['+', '-']), by: random.integer(3, 9) }))
    const name = random.choice(NAMES)
    const items = random.choice(ITEMS)
    return {
      // Who has what is only the wording.
      key: `story ${start}${changes.map(({ sign, by }) => ` ${sign}${by}`).join('')}`,
      ask(random) {
        const [first = '', second = ''] = changes.map(({ sign, by }) =>
          fill(random.choice(sign === '+' ? GAINS : LOSSES), [by]),
        )
        return random.choice([
          `${name} has ${start} ${items}. ${name} ${first} and then ${second}. How many ${items} does ${name} have now?`,
          `${name} had ${start} ${items}, then ${first} and ${second}. How many ${items} are left?`,
        ])
      },
      solve(steps) {
        let left = start
        const lines = changes.map(({ sign, by }) => {
          const next = steps.number(sign === '+' ? left + by : left - by)
          const line = `${left}${sign}${by}=${next}`
          left = next
          return line
        })
        return { working: lines.join(', '), answer: String(left) }
      },
    }
  },
}
