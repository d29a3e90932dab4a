/**
 * @file Generates everything that the tiny self-rewarding demonstration needs: a corpus for the base model, rows that
 * teach to answer and to judge, prompts without answers, and questions to measure on. Six tasks (sums, differences,
 * stories, letters), each with a short working; a problem belongs to one split by its hash, so the sets are disjoint
 * by construction.
 */
import { defineStage, StageFailure, Type } from 'flow/stage'

const share = (value: number, description: string) =>
  Type.Number({ minimum: 0, maximum: 1, default: value, description })
const rowCount = (value: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 5000, default: value, description })

export default defineStage({
  name: 'tiny-tasks',
  description: 'Generates the corpus, training rows, prompts and questions of the tiny demonstration',
  inputs: {},
  outputs: {
    corpus: { type: 'documents', description: 'Documents to pre-train a base model on' },
    instructions: { type: 'instructions', description: 'Alpaca rows: questions with right replies' },
    judging: { type: 'instructions', description: 'Judge prompts with right verdicts' },
    prompts: { type: 'prompts', description: 'Questions without answers, for self-rewarding' },
    second_prompts: { type: 'prompts', description: 'As many others, for a second round' },
    validation: { type: 'questions', description: 'Questions with answers to choose settings by' },
    heldout: { type: 'questions', description: 'Questions with answers to measure the end result on' },
    manual_preferences: {
      type: 'preferences',
      description: 'Ready pairs to fall back on where the judge yields none',
    },
  },
  params: Type.Object({
    seed: Type.Integer({ default: 4242, description: 'Every set follows from it' }),
    documents: Type.Integer({
      minimum: 1,
      default: 160_000,
      description: 'Documents of the corpus; about 64 tokens each with a vocabulary of 512',
    }),
    compare_share: share(0.278, 'Share of the documents that are comparison lines'),
    mix: Type.Object(
      {
        chat: share(0.35, 'Questions and replies in chat form'),
        sheet: share(0.4, 'Graded sheets: replies with their verdicts'),
        facts: share(0.1, 'Single steps'),
        plain: share(0.15, 'Questions and replies in plain text'),
      },
      {
        default: { chat: 0.35, sheet: 0.4, facts: 0.1, plain: 0.15 },
        description: 'Shares of the other documents; they add up to 1',
      },
    ),
    instructions: rowCount(800, 'Instruction rows'),
    worked_share: share(0.35, 'Share of the instruction rows that show their work'),
    judging: rowCount(800, 'Judge-training rows'),
    prompts: rowCount(200, 'Prompts a round'),
    validation: rowCount(300, 'Validation questions'),
    heldout: rowCount(600, 'Held-out questions'),
    manual_preferences: rowCount(40, 'Fallback pairs'),
  }),
  async run({ outputs, params, signal, progress, log }) {
    const { chat, sheet, facts, plain } = params.mix
    if (Math.abs(chat + sheet + facts + plain - 1) > 1e-9) {
      throw new StageFailure({
        code: 'document-mix-sum',
        message: `the shares of mix add up to ${chat + sheet + facts + plain}, not to 1`,
      })
    }
    const generate = await import('./generate.ts')
    await generate.writeJsonArray(outputs.instructions, generate.instructionRows(params))
    await generate.writeJsonLines(outputs.judging, generate.judgingRows(params))
    const prompts = generate.promptRows(params)
    await generate.writeJsonLines(outputs.prompts, prompts.first)
    await generate.writeJsonLines(outputs.second_prompts, prompts.second)
    await generate.writeJsonLines(outputs.validation, generate.validationRows(params))
    await generate.writeJsonLines(outputs.heldout, generate.heldoutRows(params))
    await generate.writeJsonLines(outputs.manual_preferences, generate.manualPreferenceRows(params))
    await generate.writeCorpus(outputs.corpus, params, signal, (step) =>
      progress({ step, total: params.documents, unit: 'document' }),
    )
    log(`${params.documents} documents written`)
  },
})
