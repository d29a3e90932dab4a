/** @file Which tokens supervised fine-tuning counts, and what it makes of adapters, files and settings. */
import { beforeAll, describe, expect, it } from 'vitest'
import { readAdapter } from '../../lm/checkpoint/peft.ts'
import { loadTokenizer, type Tokenizer } from '../../lm/text/tokenizer.ts'
import sft from '../../stages/sft/index.ts'
import { emphasisPattern, readSequences, type SequenceSettings } from '../../stages/sft/rows.ts'
import { referencePath } from '../lm/reference.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'
import { logOf, mergingModel, parametersOf, policy, quick } from './training-runs.ts'

let tokenizer: Tokenizer
beforeAll(() => {
  tokenizer = loadTokenizer(policy.model)
})

const plain: SequenceSettings = { maxLength: 200, trainOnPrompt: false, emphasis: undefined }

function sequencesOf(rows: readonly object[], settings: Partial<SequenceSettings> = {}) {
  return readSequences(temporaryFile('rows.jsonl', rows), tokenizer, { ...plain, ...settings })
}

/** The text of the tokens with a weight, and that of those with a raised one. */
function spelled(rows: readonly object[], settings: Partial<SequenceSettings> = {}) {
  const { ids, weights } = sequencesOf(rows, settings).sequences[0]!
  const those = (chosen: (weight: number) => boolean) =>
    tokenizer.decode(ids.filter((_, position) => chosen(weights[position]!)))
  return { counted: those((weight) => weight > 0), raised: those((weight) => weight > 1) }
}

const turn = (role: string, content: string) => ({ role, content })

describe('counted tokens', () => {
  const row = { instruction: 'Hi', output: 'The cat.' }
  const chat = {
    messages: [turn('user', 'a'), turn('assistant', 'b'), turn('user', 'c'), turn('assistant', 'd')],
  }

  it("are the assistant's, its end of turn included", () => {
    expect(spelled([row]).counted).toBe('The cat.<|im_end|>\n')
    expect(spelled([chat]).counted).toBe('b<|im_end|>\nd<|im_end|>\n')
  })

  it('are all of them with train_on_prompt', () => {
    const whole = '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nThe cat.<|im_end|>\n'
    expect(spelled([row], { trainOnPrompt: true }).counted).toBe(whole)
  })

  it('end at max_length; a row that loses its whole answer is dropped and counted', () => {
    const { ids } = sequencesOf([row]).sequences[0]!
    expect(spelled([row], { maxLength: ids.length - 2 }).counted).toBe('The cat.')
    const prompt = ids.length - tokenizer.encode('The cat.<|im_end|>\n').length
    const cut = sequencesOf([row, chat], { maxLength: prompt })
    expect(cut.dropped).toBe(1)
    expect(cut.sequences).toHaveLength(1)
    expect(sequencesOf([row], { maxLength: prompt, trainOnPrompt: true }).dropped).toBe(0)
  })
})

describe('emphasis', () => {
  const scorePattern = emphasisPattern('Score: ([0-5])$')
  const emphasis = { pattern: scorePattern, weight: 4 }
  const judged = (output: string) => ({ instruction: 'Score the reply.\nScore: 2', output })

  it('raises exactly the score token', () => {
    const row = judged('12+5=17, right.\nScore: 4')
    expect(spelled([row], { emphasis })).toEqual({
      counted: '12+5=17, right.\nScore: 4<|im_end|>\n',
      raised: '4',
    })
    const { weights } = sequencesOf([row], { emphasis }).sequences[0]!
    expect(Array.from(weights).filter((weight) => weight === 4)).toHaveLength(1)
    expect(Math.max(...Array.from(weights))).toBe(4)
  })

  it('raises it in the answer, not in the prompt, when the prompt counts too', () => {
    const row = judged('Wrong.\nScore: 0')
    const { ids, weights } = sequencesOf([row], { emphasis, trainOnPrompt: true }).sequences[0]!
    const raised = Array.from(weights).flatMap((weight, position) => (weight > 1 ? [position] : []))
    expect(raised).toHaveLength(1)
    expect(tokenizer.decode(ids.slice(raised[0]!))).toBe('0<|im_end|>\n')
  })

  it('raises it behind characters of several bytes and code units', () => {
    expect(spelled([judged('Größe 😀 – gut.\nScore: 3')], { emphasis }).raised).toBe('3')
    // NFC makes one character of each two.
    expect(spelled([judged(`${'e\u0301'.repeat(4)} Score: 5`)], { emphasis }).raised).toBe('5')
  })

  it('raises it where the answer merges with the end of the prompt', () => {
    const merging = loadTokenizer(mergingModel())
    const file = temporaryFile('rows.jsonl', [judged('\nScore: 1')])
    const { ids, weights } = readSequences(file, merging, { ...plain, emphasis }).sequences[0]!
    const counted = ids.filter((_, position) => weights[position]! > 0)
    expect(merging.decode(counted)).toBe('\n\nScore: 1<|im_end|>\n')
    expect(merging.decode(ids.filter((_, position) => weights[position]! > 1))).toBe('1')
  })

  it('looks at the last answer alone, and at none where that is cut away', () => {
    const rows = [
      {
        messages: [
          turn('user', 'a'),
          turn('assistant', 'Score: 1'),
          turn('user', 'b'),
          turn('assistant', 'Score: 2'),
        ],
      },
    ]
    expect(spelled(rows, { emphasis }).raised).toBe('2')
    const { ids } = sequencesOf(rows).sequences[0]!
    const answer = tokenizer.encode('Score: 2<|im_end|>\n').length
    expect(spelled(rows, { emphasis, maxLength: ids.length - 3 })).toMatchObject({ raised: '' })
    expect(spelled(rows, { emphasis, maxLength: ids.length - answer })).toMatchObject({
      counted: 'Score: 1<|im_end|>\n',
      raised: '',
    })
  })

  it('raises every token that reaches into the group, and lowers with a weight below 1', () => {
    const pattern = emphasisPattern('is (\\w+)\\.')
    const found = spelled([{ instruction: 'a', output: 'It is Answer. Fine' }], {
      emphasis: { pattern, weight: 2 },
    })
    expect(found.raised.trim()).toBe('Answer')
    const { weights } = sequencesOf([judged('Score: 4')], {
      emphasis: { pattern: scorePattern, weight: 0.5 },
    }).sequences[0]!
    expect(Array.from(weights).filter((weight) => weight === 0.5)).toHaveLength(1)
  })

  it('raises nothing where the pattern does not match or has no group', () => {
    expect(spelled([judged('No verdict')], { emphasis }).raised).toBe('')
    const pattern = emphasisPattern('Score')
    expect(spelled([judged('Score: 4')], { emphasis: { pattern, weight: 4 } }).raised).toBe('')
  })

  it('refuses what is no pattern', async () => {
    const data = { rows: temporaryFile('rows.jsonl', [judged('Score: 4')]) }
    const params = { ...quick, emphasis: { pattern: 'Score: (', weight: 2 } }
    expect(await failureOf(runStage(sft, { ...policy, data }, params))).toMatchObject({
      code: 'invalid-pattern',
      message: expect.stringContaining('`emphasis.pattern`'),
    })
  })
})

describe('the stage', () => {
  const rows = referencePath('training/sft-rows.jsonl')

  it('joins several sets, and counts what it dropped', async () => {
    const other = temporaryFile('other.jsonl', [
      { prompt: 'Hi', completion: 'Hello' },
      { instruction: 'Say it '.repeat(40), output: 'No.' },
    ])
    const run = await runStage(
      sft,
      {
        ...policy,
        data: { first: temporaryFile('first.jsonl', [{ instruction: 'a', output: 'b' }]), other },
      },
      { ...quick, batch_size: 1, epochs: 1 },
    )
    expect(logOf(run)).toHaveLength(2)
    expect(run.warnings).toEqual(['1 rows dropped: max_length 128 leaves nothing of their answer'])
  })

  it('draws from several sets by weight', async () => {
    const row = (instruction: string) => ({ instruction, output: 'b' })
    const [often, seldom] = [Array.from({ length: 30 }, () => row('a')), [row('longer'), row('longer')]]
    const data = { often: temporaryFile('often.jsonl', often), seldom: temporaryFile('seldom.jsonl', seldom) }
    const params = { ...quick, batch_size: 1, epochs: 1, shuffle: false, mix: { often: 4, seldom: 1 } }
    const tokens = logOf(await runStage(sft, { ...policy, data }, params)).map((each) => each.tokens!)
    // The set with two rows ends it.
    expect(tokens.filter((each) => each === Math.max(...tokens))).toHaveLength(2)
    expect(tokens.at(-1)).toBe(Math.max(...tokens))
    expect(tokens.length).toBeGreaterThan(3)
  })

  it('measures held-out rows, and writes the best adapter', async () => {
    // Unlike the rows that it learns: the better it knows those, the worse it answers these.
    const validation = temporaryFile('held-out.jsonl', [{ instruction: 'q', output: 'zyx wvu tsr' }])
    const constant = { ...quick, batch_size: 18, learning_rate: 0.3, lr_scheduler: 'constant' }
    const run = (more: object) =>
      runStage(sft, { ...policy, data: { rows }, validation }, { ...constant, ...more })
    const kept = await run({ epochs: 6, keep_best: true, metric_for_best_model: 'loss' })
    const losses = logOf(kept).flatMap(({ eval_loss }) => eval_loss ?? [])
    expect(losses).toHaveLength(6)
    const best = losses.indexOf(Math.min(...losses)) + 1
    expect(best).toBeLessThan(6)
    const upToThere = await run({ epochs: best })
    expect(parametersOf(kept.outputs.adapter!)).toEqual(parametersOf(upToThere.outputs.adapter!))
  })

  it('starts a fresh adapter with the given settings', async () => {
    const lora = { r: 2, alpha: 6, targets: ['v_proj', 'up_proj'], rslora: true }
    const run = await runStage(sft, { model: policy.model, data: { rows } }, { ...quick, max_steps: 2, lora })
    const { settings, tensors } = readAdapter(run.outputs.adapter!)
    expect(settings).toMatchObject({ r: 2, alpha: 6, rslora: true, targets: ['up_proj', 'v_proj'] })
    expect(tensors.size).toBe(2 * 2 * 2)
  })

  it('goes on from a given adapter, whose own settings stay', async () => {
    const lora = { r: 2, alpha: 6, targets: ['v_proj'], rslora: true }
    const run = await runStage(sft, { ...policy, data: { rows } }, { ...quick, max_steps: 1, lora })
    const { settings, tensors } = readAdapter(run.outputs.adapter!)
    const given = readAdapter(policy.adapter)
    expect(settings).toEqual(given.settings)
    expect([...tensors.keys()]).toEqual([...given.tensors.keys()])
  })

  it('learns: the loss falls on the rows that it is shown', async () => {
    const run = await runStage(
      sft,
      { model: policy.model, data: { rows } },
      { ...quick, batch_size: 18, epochs: 12, learning_rate: 2e-2, group_by_length: true },
    )
    const losses = logOf(run).map(({ loss }) => loss!)
    expect(losses.at(-1)!).toBeLessThan(0.7 * losses[0]!)
    expect(logOf(run).at(-1)!.mean_token_accuracy).toBeGreaterThan(logOf(run)[0]!.mean_token_accuracy!)
  })
})
