/** @file Writes every data set. Each has a random sequence of its own, so that one's size does not change another. */
import { open, writeFile } from 'node:fs/promises'
import { createRandom, type SeededRandom } from '../../lm/random.ts'
import { jsonLines } from '../../lm/text/json-lines.ts'
import { type DocumentMix, writeDocument } from './documents.ts'
import { judgePrompt, verdict } from './judging.ts'
import { drawDistinct, drawQuestion, type Question } from './questions.ts'
import { gradedReply, writeReply, wrongReply } from './replies.ts'

export interface TinyTasksSettings {
  readonly seed: number
  /** Documents of the corpus. */
  readonly documents: number
  /** Share of the corpus' documents that are comparison lines; the rest follows `mix`. */
  readonly compare_share: number
  readonly mix: DocumentMix
  readonly instructions: number
  /** Share of the instruction rows that show their work. */
  readonly worked_share: number
  readonly judging: number
  readonly prompts: number
  readonly validation: number
  readonly heldout: number
  readonly manual_preferences: number
}

const DOCUMENTS_A_WRITE = 5_000

/** JSON Lines of {text}. `onProgress` hears how many were written, now and then; an abort stops it early. */
export async function writeCorpus(
  file: string,
  settings: TinyTasksSettings,
  signal?: AbortSignal,
  onProgress?: (written: number) => void,
): Promise<void> {
  const random = randomFor(settings, 'corpus')
  const handle = await open(file, 'w')
  try {
    for (let written = 0; written < settings.documents; ) {
      signal?.throwIfAborted()
      const count = Math.min(DOCUMENTS_A_WRITE, settings.documents - written)
      let lines = ''
      for (let i = 0; i < count; i++) {
        lines += `${JSON.stringify({ text: writeDocument(random, settings.mix, settings.compare_share) })}\n`
      }
      await handle.write(lines)
      written += count
      onProgress?.(written)
    }
  } finally {
    await handle.close()
  }
}

/** Rows of instruction tuning: {instruction, input, output}. */
export function instructionRows(settings: TinyTasksSettings) {
  const random = randomFor(settings, 'instructions')
  return rows(settings.instructions, () => {
    const question = drawQuestion(random, 'instructions')
    const worked = random.next() < settings.worked_share
    return { instruction: question.text, input: '', output: writeReply(question, worked) }
  })
}

/** Rows that teach judging: {prompt, completion}. A reply's style is drawn apart from its being right. */
export function judgingRows(settings: TinyTasksSettings) {
  const random = randomFor(settings, 'judging')
  return rows(settings.judging, () => {
    const question = drawQuestion(random, 'judging')
    const reply = gradedReply(random, question, 'judging', random.next() < 0.5)
    return { prompt: judgePrompt(question.text, reply), completion: verdict(question, reply) }
  })
}

/** Two sets of {prompt}, without answers and without a question in common: one for each round of self-rewarding. */
export function promptRows(settings: TinyTasksSettings) {
  const random = randomFor(settings, 'prompts')
  const taken = new Set<string>()
  const draw = () =>
    drawDistinct(random, 'prompts', settings.prompts, taken).map(({ text }) => ({ prompt: text }))
  return { first: draw(), second: draw() }
}

export function validationRows(settings: TinyTasksSettings) {
  return drawDistinct(randomFor(settings, 'validation'), 'validation', settings.validation).map(withAnswer)
}

export function heldoutRows(settings: TinyTasksSettings) {
  return drawDistinct(randomFor(settings, 'heldout'), 'heldout', settings.heldout).map(withAnswer)
}

/** Pairs {prompt, chosen, rejected}: a right reply and a wrong one, each worked or direct by its own draw. */
export function manualPreferenceRows(settings: TinyTasksSettings) {
  const random = randomFor(settings, 'manual_preferences')
  return drawDistinct(random, 'instructions', settings.manual_preferences).map((question) => ({
    prompt: question.text,
    chosen: writeReply(question, random.next() < 0.5),
    rejected: wrongReply(random, question, random.next() < 0.5),
  }))
}

export async function writeJsonLines(file: string, values: readonly object[]): Promise<void> {
  await writeFile(file, jsonLines(values))
}

/** A JSON array with one row a line, to be read and compared line by line. */
export async function writeJsonArray(file: string, values: readonly object[]): Promise<void> {
  await writeFile(file, `[\n${values.map((value) => `  ${JSON.stringify(value)}`).join(',\n')}\n]\n`)
}

function randomFor(settings: TinyTasksSettings, output: string): SeededRandom {
  return createRandom(`tiny-tasks/${settings.seed}/${output}`)
}

function withAnswer({ text, answer, task }: Question) {
  return { prompt: text, answer, task: task.name }
}

function rows<Row>(count: number, draw: () => Row): Row[] {
  return Array.from({ length: count }, draw)
}
