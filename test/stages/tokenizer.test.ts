import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createRandom } from '../../lm/random.ts'
import { writeDocument } from '../../stages/tiny-tasks/documents.ts'
import tokenizerStage from '../../stages/tokenizer/index.ts'
import { sampleDocuments } from '../../stages/tokenizer/sample.ts'
import { runStage, temporaryFile } from './run-stage.ts'

const random = createRandom(5)
const mix = { chat: 0.35, sheet: 0.4, facts: 0.1, plain: 0.15 }
const documents = Array.from({ length: 3000 }, () => ({ text: writeDocument(random, mix, 0.278) }))

async function train(): Promise<Record<string, number>> {
  const { outputs } = await runStage(
    tokenizerStage,
    { documents: temporaryFile('documents.jsonl', documents) },
    {
      vocabulary_size: 512,
      minimum_frequency: 2,
      sample_documents: 2000,
      extra_special_tokens: ['<|tool|>'],
      model_max_length: 128,
    },
  )
  return JSON.parse(await readFile(join(outputs.tokenizer!, 'tokenizer.json'), 'utf8')).model.vocab
}

describe('tokenizer stage', () => {
  it('learns the words that a judge needs whole, and no number of two digits', async () => {
    const vocabulary = await train()
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
    expect(await train()).toEqual(vocabulary)
  })
})

describe('sampleDocuments', () => {
  it.each([
    [10, 4, [2, 4, 7, 9]],
    [3, 3, [0, 1, 2]],
    [3, 9, [0, 1, 2]],
  ])('of %i documents takes %i, spread evenly', async (total, count, expected) => {
    const file = temporaryFile(
      'few.jsonl',
      Array.from({ length: total }, (_, i) => ({ text: String(i) })),
    )
    const texts: string[] = []
    for await (const text of sampleDocuments(file, count)) texts.push(text)
    expect(texts.map(Number)).toEqual(expected)
  })
})
