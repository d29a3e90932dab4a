/**
 * @file The documents a base model is pre-trained on. Everything but a graded sheet's replies is correct, and both
 * ways of replying, direct and worked, are equally common: both are latent in the base.
 */
import type { SeededRandom } from '../../lm/random.ts'
import { comparison, RUBRIC, verdict } from './judging.ts'
import { drawQuestion } from './questions.ts'
import { gradedReply, writeReply } from './replies.ts'
import { KIND_OF_WORD, NAMES, WORDS } from './words.ts'

/** Shares of the documents that are not comparison lines; they add up to 1. */
export interface DocumentMix {
  readonly chat: number
  readonly sheet: number
  readonly facts: number
  readonly plain: number
}

export function writeDocument(random: SeededRandom, mix: DocumentMix, compareShare: number): string {
  if (random.next() < compareShare) return comparisonLines(random)
  const kind = random.next()
  if (kind < mix.chat) return chat(random)
  if (kind < mix.chat + mix.sheet) return gradedSheet(random)
  if (kind < mix.chat + mix.sheet + mix.facts) return facts(random)
  return plain(random)
}

function chat(random: SeededRandom): string {
  const question = drawQuestion(random, 'pretraining')
  const reply = writeReply(question, random.next() < 0.5)
  return `<|im_start|>user\n${question.text}<|im_end|>\n<|im_start|>assistant\n${reply}<|im_end|>\n`
}

function plain(random: SeededRandom): string {
  const question = drawQuestion(random, 'pretraining')
  return `Question: ${question.text}\nReply: ${writeReply(question, random.next() < 0.5)}\n`
}

/** One question, one or two replies, and under each its verdict; a quarter opens with the rubric. */
function gradedSheet(random: SeededRandom): string {
  const question = drawQuestion(random, 'pretraining')
  const replies = random.choice([1, 1, 2])
  let sheet = `${random.next() < 0.25 ? `${RUBRIC}\n` : ''}Question: ${question.text}\n`
  for (let i = 0; i < replies; i++) {
    const reply = gradedReply(random, question, 'pretraining', random.next() < 0.5)
    sheet += `Reply: ${reply}\nCheck: ${verdict(question, reply)}\n`
  }
  return sheet
}

/** Three to seven of the small steps that workings are made of. */
function facts(random: SeededRandom): string {
  return `${Array.from({ length: random.integer(3, 7) }, () => fact(random)).join('. ')}.\n`
}

function fact(random: SeededRandom): string {
  const sum = (a: number, b: number) => `${a}+${b}=${a + b}`
  const difference = (a: number, b: number) => `${a}-${b}=${a - b}`
  const word = random.choice(WORDS)
  const spelled = [...word].join(' ')
  switch (random.integer(0, 8)) {
    case 0:
      return sum(random.integer(2, 9), random.integer(2, 9))
    case 1:
      return sum(random.integer(1, 12) * 10, random.integer(2, 18))
    case 2:
      return sum(random.integer(11, 69), random.integer(2, 9))
    case 3:
      return difference(random.integer(11, 69), random.integer(2, 9))
    case 4: {
      const from = random.integer(21, 99)
      return difference(from, random.integer(1, Math.floor(from / 10)) * 10)
    }
    case 5:
      return `${word} is spelled ${spelled}`
    case 6:
      return `${spelled} has ${word.length}`
    case 7:
      return `${spelled} ends in ${word.at(-1)}`
    default:
      return `${word} is ${KIND_OF_WORD.get(word)}`
  }
}

/** Four verdicts without a question: a dense signal for "the same, close, different". */
function comparisonLines(random: SeededRandom): string {
  return `${Array.from({ length: 4 }, () => comparisonLine(random)).join('\n')}\n`
}

function comparisonLine(random: SeededRandom): string {
  const kind = random.next()
  const [answer, given] = kind < 0.6 ? numbers(random) : kind < 0.75 ? letterPairs(random) : words(random)
  return comparison(answer, random.next() < 0.02 ? undefined : given)
}

function numbers(random: SeededRandom): [answer: string, given: string] {
  const answer = random.next() < 0.3 ? random.integer(3, 130) : random.integer(11, 99)
  const relation = random.next()
  const off = (offsets: readonly number[]) => Math.max(0, answer + random.choice(offsets))
  if (relation < 0.45) return [`${answer}`, `${answer}`]
  if (relation < 0.65) return [`${answer}`, `${off([1, -1, 2, -2])}`]
  if (relation < 0.9) return [`${answer}`, `${off([10, -10, 9, 11, -9, 5, -20, 20])}`]
  return [`${answer}`, `${random.integer(2, 130)}`]
}

function letterPairs(random: SeededRandom): [answer: string, given: string] {
  const letter = () => random.choice('abcdefghiklnoprtwyx')
  const ending = () => random.choice('deknrtw')
  const first = letter()
  const second = letter()
  const answer = first + second
  if (random.next() < 0.5) return [answer, answer]
  return [answer, random.choice([first + ending(), ending() + second, ending() + ending()])]
}

function words(random: SeededRandom): [answer: string, given: string] {
  const list: readonly string[] = random.next() < 0.4 ? NAMES : WORDS
  const answer = random.choice(list)
  return [answer, random.next() < 0.5 ? answer : random.choice(list)]
}
