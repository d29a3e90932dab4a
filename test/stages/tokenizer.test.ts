import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../../lm/random.ts'
import { writeDocument } from '../../stages/tiny-tasks/documents.ts'
import tokenizerStage from '../../stages/tokenizer/index.ts'
import { sampleDocuments } from '../../stages/tokenizer/sample.ts'

let folder: string
let documents: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tokenizer-stage-'))
  documents = join(folder, 'documents.jsonl')
  const random = createRandom(5)
  const mix = { chat: 0.35, sheet: 0.4, facts: 0.1, plain: 0.15 }
  const lines = Array.from({ length: 3000 }, () =>
    JSON.stringify({ text: writeDocument(random, mix, 0.278) }),
  )
  await writeFile(documents, `${lines.join('\n')}\n`)
})
afterAll(() => rm(folder, { recursive: true }))

async function train(name: string): Promise<Record<string, number>> {
  const output = join(folder, name)
  await tokenizerStage.run({
    inputs: { documents },
    outputs: { tokenizer: output },
    params: {
      vocabulary_size: 512,
      minimum_frequency: 2,
      sample_documents: 2000,
      extra_special_tokens: ['<|tool|>'],
      model_max_length: 128,
    },
    device: 'cpu',
    threads: 1,
    checkpoint: folder,
    signal: new AbortController().signal,
    progress() {},
    log() {},
    warn() {},
    atEnd() {},
  })
  return JSON.parse(await readFile(join(output, 'tokenizer.json'), 'utf8')).model.vocab
}

describe('tokenizer stage', () => {
  it('learns the words that a judge needs whole, and no number of two digits', async () => {
    const vocabulary = await train('first')
    expect(Object.keys(vocabulary)).toHaveLength(512)
    expect(vocabulary).toMatchObject({
      '<|endoftext|>': 0,
      '<|im_start|>': 1,
      '<|im_end|>': 2,
      '<|tool|>': 3,
    })
    for (const word of ['\u0120Score', '\u0120Reply', '\u0120Answer', 'Answer', 'assistant']) {
      expect(vocabulary).toHaveProperty(word)
    }
    expect(Object.keys(vocabulary).filter((token) => /\d./.test(token))).toEqual([])
    expect(await train('second')).toEqual(vocabulary)
  })
})

describe('sampleDocuments', () => {
  it.each([
    [10, 4, [2, 4, 7, 9]],
    [3, 3, [0, 1, 2]],
    [3, 9, [0, 1, 2]],
  ])('of %i documents takes %i, spread evenly', async (total, count, expected) => {
    const file = join(folder, 'few.jsonl')
    await writeFile(file, Array.from({ length: total }, (_, i) => `{"text":"${i}"}\n`).join('\n'))
    const texts: string[] = []
    for await (const text of sampleDocuments(file, count)) texts.push(text)
    expect(texts.map(Number)).toEqual(expected)
  })
})
