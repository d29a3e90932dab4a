import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import tinyTasks from '../../stages/tiny-tasks/index.ts'
import { isNear, JUDGE_TEMPLATE, judgePrompt, scoreOf } from '../../stages/tiny-tasks/judging.ts'
import { finalAnswer } from '../../stages/tiny-tasks/replies.ts'
import { runStage } from './run-stage.ts'
import { readQuestion } from './tiny-questions.ts'

const PORTS = Object.keys(tinyTasks.outputs) as (keyof typeof tinyTasks.outputs)[]
const SETTINGS = {
  seed: 4242,
  documents: 3000,
  compare_share: 0.278,
  mix: { chat: 0.35, sheet: 0.4, facts: 0.1, plain: 0.15 },
  instructions: 800,
  worked_share: 0.35,
  judging: 4000,
  prompts: 200,
  validation: 300,
  heldout: 600,
  manual_preferences: 40,
}

let data: Record<keyof typeof tinyTasks.outputs, string>

async function generate(settings = SETTINGS): Promise<typeof data> {
  const run = await runStage(tinyTasks, {}, settings)
  return Object.fromEntries(PORTS.map((port) => [port, run.text(port)])) as typeof data
}

function rowsOf(text: string): Record<string, string>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

beforeAll(async () => {
  data = await generate()
})

describe('tiny-tasks', () => {
  // A change here means that the shipped base model and data no longer follow from the generator.
  it('writes these very bytes', () => {
    const digests = PORTS.map((port) => [
      port,
      createHash('sha256').update(data[port]).digest('hex').slice(0, 16),
    ])
    expect(Object.fromEntries(digests)).toMatchInlineSnapshot(`
      {
        "corpus": "1c7fa6ee158a7b38",
        "heldout": "fb8fd420c92964fa",
        "instructions": "b962d17ed2aa59f7",
        "judging": "dc60e62a347f0bfc",
        "manual_preferences": "b168a5063d102001",
        "prompts": "11bd8f6ad2de0092",
        "second_prompts": "b4324f28e9248d70",
        "validation": "07830f5ce55750b4",
      }
    `)
  })

  it('follows its seed, and the size of one set changes no other', async () => {
    const other = await generate({ ...SETTINGS, seed: 1, documents: 10 })
    for (const port of PORTS) expect(other[port]).not.toBe(data[port])
    const longer = await generate({ ...SETTINGS, documents: 3001, prompts: 201 })
    expect(longer.corpus.startsWith(data.corpus)).toBe(true)
    expect(longer.prompts.startsWith(data.prompts)).toBe(true)
    expect(longer.heldout).toBe(data.heldout)
  })

  it('refuses a document mix that does not add up', async () => {
    const mix = { ...SETTINGS.mix, chat: 0.5 }
    await expect(generate({ ...SETTINGS, mix })).rejects.toMatchObject({
      details: { code: 'document-mix-sum' },
    })
  })

  it('shares no problem between its sets, however worded', () => {
    const texts = {
      pretraining: rowsOf(data.corpus).flatMap(({ text }) => questionsOf(text!)),
      instructions: JSON.parse(data.instructions).map((row: { instruction: string }) => row.instruction),
      judging: rowsOf(data.judging).flatMap(({ prompt }) => questionsOf(prompt!)),
      prompts: rowsOf(data.prompts + data.second_prompts).map(({ prompt }) => prompt!),
      validation: rowsOf(data.validation).map(({ prompt }) => prompt!),
      heldout: rowsOf(data.heldout).map(({ prompt }) => prompt!),
    }
    const owner = new Map<string, string>()
    for (const [set, questions] of Object.entries(texts)) {
      for (const question of questions) {
        const { key } = readQuestion(question)
        expect(owner.get(key) ?? set, `${key} is in two sets`).toBe(set)
        owner.set(key, set)
      }
    }
    expect(owner.size).toBeGreaterThan(3000)
  })

  it('asks each question of a set once, the second prompts being others than the first', () => {
    for (const text of [data.prompts + data.second_prompts, data.validation, data.heldout]) {
      const prompts = rowsOf(text).map(({ prompt }) => prompt)
      expect(new Set(prompts).size).toBe(prompts.length)
    }
    expect(
      [data.prompts, data.second_prompts, data.validation, data.heldout].map((t) => rowsOf(t).length),
    ).toEqual([200, 200, 300, 600])
  })

  it('gives prompts no answer, and questions the true one', () => {
    for (const row of rowsOf(data.prompts + data.second_prompts)) expect(Object.keys(row)).toEqual(['prompt'])
    for (const { prompt, answer, task } of rowsOf(data.validation + data.heldout)) {
      expect({ answer, task }).toEqual({ ...readQuestion(prompt!), key: undefined })
    }
  })

  it('answers every instruction truly, about a third with the work shown', () => {
    const rows: { instruction: string; input: string; output: string }[] = JSON.parse(data.instructions)
    expect(rows).toHaveLength(800)
    for (const { instruction, input, output } of rows) {
      expect(input).toBe('')
      expect(finalAnswer(output)).toBe(readQuestion(instruction).answer)
      expectTrueArithmetic(output)
    }
    const worked = rows.filter(({ output }) => isWorked(output)).length / rows.length
    expect(worked).toBeGreaterThan(0.31)
    expect(worked).toBeLessThan(0.39)
  })

  it('gives a right verdict on every reply', () => {
    const judged = rowsOf(data.judging).map(({ prompt, completion }) => {
      const [, question, reply] = /^Work it out.*\nQuestion: (.*)\nReply: (.*)$/.exec(prompt!)!
      return { question: question!, reply: reply!, verdict: completion! }
    })
    const sheets = rowsOf(data.corpus).flatMap(({ text }) => {
      const question = /Question: (.*)\n/.exec(text!)?.[1]
      return [...text!.matchAll(/Reply: (.*)\nCheck: (.*)\n/g)].map(([, reply, verdict]) => ({
        question: question!,
        reply: reply!,
        verdict: verdict!,
      }))
    })
    expect(judged).toHaveLength(4000)
    expect(sheets.length).toBeGreaterThan(800)
    for (const { question, reply, verdict } of [...judged, ...sheets]) {
      const { answer } = readQuestion(question)
      const given = finalAnswer(reply)
      const ending = `Answer: ${answer}. Reply: ${given ?? 'none'}. Score: ${scoreOf(given, answer)}`
      expect(verdict.endsWith(`. ${ending}`), `${verdict} should end with ${ending}`).toBe(true)
      expectTrueArithmetic(verdict)
    }
  })

  it('draws the style of a judged reply apart from its being right', () => {
    const replies = rowsOf(data.judging)
      .map(({ prompt, completion }) => ({
        reply: prompt!.split('\nReply: ')[1]!,
        score: completion!.at(-1)!,
      }))
      .filter(({ score }) => score !== '0')
    const workedShare = (right: boolean) => {
      const some = replies.filter(({ score }) => (score === '5') === right)
      return some.filter(({ reply }) => isWorked(reply)).length / some.length
    }
    expect(Math.abs(workedShare(true) - workedShare(false))).toBeLessThan(0.04)
    expect(Math.abs(workedShare(true) - 0.5)).toBeLessThan(0.04)
  })

  it('pairs a right reply with a wrong one, whatever their styles', () => {
    const styles = new Set<string>()
    for (const { prompt, chosen, rejected } of rowsOf(data.manual_preferences)) {
      const { answer } = readQuestion(prompt!)
      expect(finalAnswer(chosen!)).toBe(answer)
      expect(finalAnswer(rejected!)).not.toBe(answer)
      styles.add(`${isWorked(chosen!)} ${isWorked(rejected!)}`)
    }
    expect(styles.size).toBe(4)
  })
})

describe('the score of a reply', () => {
  it.each([
    ['85', '85', 5],
    ['83', '85', 2],
    ['82', '85', 1],
    ['et', 'et', 5],
    ['at', 'et', 2],
    ['te', 'et', 1],
    ['cat', 'car', 2],
    ['cats', 'car', 1],
    ['planets', 'planeta', 1],
    ['et', '85', 1],
    [undefined, '85', 0],
  ] as const)('of %s where %s is right is %i', (given, answer, score) => {
    expect(scoreOf(given, answer)).toBe(score)
    if (given !== undefined && score !== 5) expect(isNear(given, answer)).toBe(score === 2)
  })

  it.each([
    ['Answer: 85', '85'],
    ['40+30=70. Answer: 85.\n', '85'],
    ['Answer: 85 or so', undefined],
    ['40+30=70, 7+8', undefined],
  ])('reads the final answer of %j', (reply, answer) => {
    expect(finalAnswer(reply)).toBe(answer)
  })

  it('has one template for prompts of training and of judging', () => {
    expect(JUDGE_TEMPLATE.replace('{question}', 'q').replace('{reply}', 'r')).toBe(judgePrompt('q', 'r'))
  })
})

function isWorked(reply: string): boolean {
  return !reply.startsWith('Answer')
}

function questionsOf(text: string): string[] {
  return [...text.matchAll(/(?:Question: |<\|im_start\|>user\n)(.*?)(?:<\|im_end\|>|\n)/g)].map(
    ([, question]) => question!,
  )
}

function expectTrueArithmetic(text: string): void {
  for (const [line, a, sign, b, result] of text.matchAll(/(\d+)([+-])(\d+)=(\d+)/g)) {
    expect(Number(result), line).toBe(sign === '+' ? Number(a) + Number(b) : Number(a) - Number(b))
  }
}
