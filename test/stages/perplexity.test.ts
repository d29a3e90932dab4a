/** @file The perplexity stage against transformers, and what it does with other data. */
import { describe, expect, it } from 'vitest'
import perplexity from '../../stages/perplexity/index.ts'
import { readReference, referencePath } from '../lm/reference.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'

interface PerplexityReference {
  readonly texts: string[]
  readonly cases: {
    readonly adapter: string | null
    readonly window: number
    readonly stride: number
    readonly tokens: number
    readonly nll: number
    readonly perplexity: number
    readonly bits_per_byte: number
  }[]
}

const model = referencePath('models/qwen2')
const { texts, cases } = readReference<{ perplexity: PerplexityReference }>('evaluation.json').perplexity

async function measure(data: string, params: object = {}, adapter?: string): Promise<Record<string, number>> {
  const run = await runStage(
    perplexity,
    { model, data, ...(adapter !== undefined && { adapter }) },
    { batch_size: 3, ...params },
  )
  return JSON.parse(run.text('metrics')).values
}

describe('perplexity', () => {
  it.each(cases)(
    'agrees with transformers: adapter $adapter, window $window, stride $stride',
    async (expected) => {
      const data = temporaryFile(
        'texts.jsonl',
        texts.map((text) => ({ text })),
      )
      const { window, stride } = expected
      const adapter = expected.adapter === null ? undefined : referencePath(`adapters/${expected.adapter}`)
      const values = await measure(data, { window, stride }, adapter)
      expect(values).toMatchObject({ tokens: expected.tokens, texts: 3 })
      for (const name of ['nll', 'perplexity', 'bits_per_byte'] as const) {
        expect(Math.abs(values[name]! / expected[name] - 1), name).toBeLessThan(1e-5)
      }
    },
  )

  it('counts the answers of conversations, or all of them', async () => {
    const messages = [
      { role: 'user', content: 'What is 2 plus 3?' },
      { role: 'assistant', content: 'Answer: 5' },
    ]
    const data = temporaryFile('rows.jsonl', [{ messages }, { instruction: 'Say yes.', output: 'Yes.' }])
    const answers = await measure(data)
    const whole = await measure(data, { whole_conversation: true })
    expect(whole.tokens).toBeGreaterThan(answers.tokens! * 2)
    expect(answers).not.toHaveProperty('bits_per_byte')
    expect((await measure(data, { limit: 1 })).texts).toBe(1)
  })

  it('takes a plain text as one', async () => {
    const values = await measure(temporaryFile('plain.txt', `${texts[0]}\n${texts[2]}`))
    expect(values.texts).toBe(1)
    expect(values.perplexity).toBeCloseTo(Math.exp(values.nll!), 6)
    expect((await measure(temporaryFile('plain.txt', `[sic] ${texts[0]}\n${texts[2]}`))).texts).toBe(1)
  })

  it('takes rows of a JSON array as those of JSON Lines', async () => {
    const rows = texts.map((text) => ({ text }))
    const array = await measure(temporaryFile('texts.json', JSON.stringify(rows, null, 1)))
    expect(array).toEqual(await measure(temporaryFile('texts.jsonl', rows)))
  })

  it('refuses windows that the model does not have, and data without a token to predict', async () => {
    const data = temporaryFile('texts.jsonl', [{ text: 'a' }])
    const run = (params: object) => failureOf(runStage(perplexity, { model, data }, { ...params }))
    expect(await run({ window: 4096 })).toMatchObject({
      code: 'invalid-parameter',
      message: expect.stringContaining('128'),
    })
    expect(await run({ window: 8, stride: 9 })).toMatchObject({ code: 'invalid-parameter' })
    expect(await run({})).toMatchObject({ code: 'no-tokens' })
  })
})
