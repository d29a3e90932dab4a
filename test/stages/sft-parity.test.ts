/** @file Supervised fine-tuning on the very rows, settings and starting adapter that TRL's trainer was given. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Sequence } from '../../lm/batches/sequence.ts'
import { loadTokenizer, type Tokenizer } from '../../lm/text/tokenizer.ts'
import { bestFitDecreasing, wrap } from '../../lm/training/packing.ts'
import sft from '../../stages/sft/index.ts'
import { readSequences } from '../../stages/sft/rows.ts'
import { interleave } from '../../stages/training/mix.ts'
import { readReference, readReferenceRows, referencePath } from '../lm/reference.ts'
import { runStage, temporaryFile } from './run-stage.ts'
import { changedModel, type LogRow, logOf, policy, sum } from './training-runs.ts'
import { adapterDifference, expectRelative, trainingParams } from './trl-runs.ts'

type Columns = Readonly<Record<string, number[]>>

/** Of the same run of TRL's in float64. */
type Exact = Readonly<Record<'loss' | 'grad_norm', number[]>>

interface RowReference {
  readonly input_ids: number[]
  /** -100 where the token is not learned; absent where TRL drops the row from completion-only training. */
  readonly labels?: number[]
}

interface SftRun {
  readonly settings: Readonly<Record<string, unknown>>
  readonly log: Columns
  readonly exact: Exact
  /** What TRL would log of each micro-batch alone, by step. */
  readonly micro: { readonly mean_token_accuracy: number[][]; readonly entropy: number[][] }
  readonly evaluations?: Columns
  readonly best_step?: number
}

interface SftReference {
  readonly settings: Readonly<Record<string, unknown>>
  readonly validation: {
    readonly patience: number
    readonly threshold: number
    readonly eval_steps: number
    /** The entering policy, measured in batches of two rows. */
    readonly by_twos: Readonly<Record<string, number>>
  }
  /** ChatML with the assistant's part marked. */
  readonly template: string
  readonly rows: RowReference[]
  readonly turns: Required<RowReference>[]
  readonly runs: Readonly<Record<string, SftRun>>
  readonly families: {
    readonly settings: Readonly<Record<string, unknown>>
    readonly logs: Readonly<Record<string, Columns>>
    readonly exact: Readonly<Record<string, Exact>>
  }
}

const reference = readReference<SftReference>('training/sft.json')
const file = (name: string) => referencePath(`training/sft-${name}.jsonl`)
const data = { first: file('rows'), more: file('more-rows') }

function settingsOf(name: string): Readonly<Record<string, unknown>> {
  return { ...reference.settings, ...reference.runs[name]!.settings }
}

function fineTune(name: string, changed: object = {}, inputs: object = {}) {
  const settings = settingsOf(name)
  return runStage(
    sft,
    { ...policy, data, ...inputs },
    {
      ...trainingParams(settings),
      train_on_prompt: settings.completion_only_loss === false && settings.assistant_only_loss !== true,
      loss_type: settings.loss_type ?? 'nll',
      ...changed,
    },
  )
}

/** The rows that a run learns, in order. */
function learnedRows(name: string): RowReference[] {
  if (name === 'assistant-only') return reference.turns
  if (settingsOf(name).completion_only_loss === false) return reference.rows
  return reference.rows.filter(({ labels }) => labels !== undefined)
}

/** Counted tokens of each micro-batch, by step. */
function countsOf(name: string): number[][] {
  const settings = settingsOf(name)
  const size = settings.per_device_train_batch_size as number
  const accumulation = settings.gradient_accumulation_steps as number
  const counts = learnedRows(name).map(({ input_ids, labels }) => {
    const targets = (name === 'whole-sequence' ? input_ids : labels!).slice(1)
    return targets.filter((label) => label !== -100).length
  })
  const split = (values: readonly number[], by: number) =>
    Array.from({ length: Math.ceil(values.length / by) }, (_, index) =>
      values.slice(index * by, (index + 1) * by),
    )
  const epoch = split(split(counts, size).map(sum), accumulation)
  const steps = reference.runs[name]!.log.loss!.length
  return Array.from({ length: steps }, (_, step) => epoch[step % epoch.length]!)
}

function labelled(rows: readonly Sequence[]): RowReference[] {
  return rows.map(({ ids, weights }) => ({
    input_ids: [...ids],
    labels: ids.map((id, position) => (weights[position] === 0 ? -100 : id)),
  }))
}

/** Some times what a right implementation in float32 differs by from the exact value, or from another. */
const tolerance = 2e-6
const normTolerance = 5e-6

/** Loss and gradient norm of one step, beside the exact ones and TRL's in float32. */
function expectLearned(row: LogRow, index: number, exact: Exact, theirs: Columns) {
  for (const [column, bound] of [
    ['loss', tolerance],
    ['grad_norm', normTolerance],
  ] as const) {
    const at = `${column} at step ${index + 1}`
    const value = exact[column][index]!
    const other = theirs[column]![index]!
    const rounding = Math.abs(other / value - 1)
    expect(rounding, `TRL's rounding of ${at}`).toBeLessThan(1e-5)
    expectRelative(row[column], value, bound, `exact ${at}`)
    // Where a batch amplifies TRL's rounding beyond the bound, ours lies no further from it than the exact value.
    expectRelative(row[column], other, Math.max(bound, rounding), `TRL's ${at}`)
  }
}

function expectAgreement(name: string, log: readonly LogRow[]) {
  const { log: theirs, exact, micro } = reference.runs[name]!
  const counts = countsOf(name)
  expect(log).toHaveLength(theirs.loss!.length)
  log.forEach((row, index) => {
    const at = `at step ${index + 1}`
    expectLearned(row, index, exact, theirs)
    // The fixture holds nine digits.
    expectRelative(row.learning_rate, theirs.learning_rate![index], 1e-8, `learning_rate ${at}`)
    expectRelative(row.epoch, theirs.epoch![index], 1e-8, `epoch ${at}`)
    expect(row.num_tokens).toBe(theirs.num_tokens![index])
    for (const column of ['mean_token_accuracy', 'entropy'] as const) {
      const means = micro[column][index]!
      const tokens = counts[index]!
      // TRL logs the plain mean over micro-batches, we weigh by tokens.
      expectRelative(sum(means) / means.length, theirs[column]![index], 1e-7, `TRL's ${column} ${at}`)
      const weighted = sum(means.map((mean, each) => mean * tokens[each]!)) / sum(tokens)
      expectRelative(row[column], weighted, tolerance, `${column} ${at}`)
    }
  })
}

describe('the rows', () => {
  let tokenizer: Tokenizer
  beforeAll(() => {
    tokenizer = loadTokenizer(policy.model)
  })

  const read = (trainOnPrompt: boolean) =>
    Object.values(data).map((rows) =>
      readSequences(rows, tokenizer, { maxLength: 64, trainOnPrompt, emphasis: undefined }),
    )

  it('have the same token ids and labels, one row cut and one dropped', () => {
    const sets = read(false)
    const ours = sets.flatMap(({ sequences }) => sequences)
    expect(sum(sets.map(({ dropped }) => dropped))).toBe(1)
    expect(labelled(ours)).toEqual(learnedRows('completion-only'))
    expect(Math.max(...ours.map(({ ids }) => ids.length))).toBe(64)
  })

  it('are all kept where the whole sequence is learned', () => {
    const ours = read(true).flatMap(({ sequences }) => sequences)
    expect(ours.map(({ ids }) => ids)).toEqual(reference.rows.map(({ input_ids }) => input_ids))
    expect(ours.every(({ weights }) => Array.from(weights).every((weight) => weight === 1))).toBe(true)
  })
})

const single = ['completion-only', 'whole-sequence', 'constant-rate', 'minimum-rate', 'dft']

describe('20 updates', () => {
  it.each(single)('%s: every column', async (name) => {
    const run = await fineTune(name)
    const log = logOf(run)
    expect(log).toHaveLength(20)
    expectAgreement(name, log)
    if (name === 'completion-only' || name === 'whole-sequence') {
      const theirs = referencePath(`training/sft-${name}`)
      expect(adapterDifference(run.outputs.adapter!, theirs)).toBeLessThan(5e-6)
    }
  })

  it('differ by more than is allowed where the weight decay is 0.01 too small', async () => {
    const log = logOf(await fineTune('completion-only', { weight_decay: 0 }))
    const { loss, grad_norm: norm } = reference.runs['completion-only']!.log
    for (const [column, theirs] of [
      ['loss', loss!],
      ['grad_norm', norm!],
    ] as const) {
      const difference = Math.abs(log.at(-1)![column]! / theirs.at(-1)! - 1)
      expect(difference, column).toBeGreaterThan(4 * normTolerance)
    }
  })
})

describe('a template that marks the assistant', () => {
  it('assistant-only: every column, over several turns', async () => {
    const model = changedModel('config.json', (config) => config)
    writeFileSync(join(model, 'chat_template.jinja'), reference.template)
    const settings = { maxLength: 64, trainOnPrompt: false, emphasis: undefined }
    expect(labelled(readSequences(file('turns'), loadTokenizer(model), settings).sequences)).toEqual(
      reference.turns,
    )
    const run = await fineTune('assistant-only', {}, { model, data: { turns: file('turns') } })
    expectAgreement('assistant-only', logOf(run))
  })
})

describe('five updates of each family', () => {
  const { settings, logs, exact } = reference.families

  it.each(Object.entries(logs))('%s', async (family, theirs) => {
    const run = await runStage(
      sft,
      {
        model: referencePath(`models/${family}`),
        adapter: referencePath(`adapters/${family}`),
        data: { first: data.first },
      },
      { ...trainingParams({ ...reference.settings, ...settings }), train_on_prompt: true },
    )
    const log = logOf(run)
    expect(log).toHaveLength(5)
    for (const [index, row] of log.entries()) expectLearned(row, index, exact[family]!, theirs)
  })
})

describe('validation', () => {
  it('validated: held-out means, the best adapter, and where patience ends', async () => {
    const { evaluations, best_step: best } = reference.runs.validated!
    const { patience, threshold, eval_steps } = reference.validation
    const run = await fineTune(
      'validated',
      {
        eval_steps,
        eval_on_start: true,
        keep_best: true,
        early_stopping_patience: patience,
        early_stopping_threshold: threshold,
      },
      { validation: file('held-out') },
    )
    const log = logOf(run)
    expectAgreement(
      'validated',
      log.filter((row) => 'loss' in row),
    )
    const ours = log.filter((row) => 'eval_loss' in row)
    expect(ours.map(({ step }) => step)).toEqual(evaluations!.step)
    ours.forEach((row, index) => {
      for (const column of ['eval_loss', 'eval_mean_token_accuracy', 'eval_entropy']) {
        expectRelative(row[column], evaluations![column]![index], tolerance, `${column} ${index}`)
      }
    })
    expect(best).toBe(6)
    const theirs = referencePath('training/sft-validated')
    expect(adapterDifference(run.outputs.adapter!, theirs)).toBeLessThan(5e-6)
  })
})

it('held-out means are over all tokens, where TRL means its batches', async () => {
  const held = readReferenceRows<object>('training/sft-held-out.jsonl')
  const measured = async (rows: readonly object[]) => {
    const validation = temporaryFile('held-out.jsonl', rows)
    const changed = { eval_on_start: true, max_steps: 2 }
    return logOf(await fineTune('completion-only', changed, { data: { first: data.first }, validation }))[0]!
  }
  const batches = [held.slice(0, 2), held.slice(2, 4), held.slice(4)]
  const means: LogRow[] = []
  for (const batch of batches) means.push(await measured(batch))
  const column = (name: string) => means.map((mean) => mean[name]!)
  const { by_twos: theirs } = reference.validation
  // The loss weighs a batch by its rows, the other columns do not.
  const byRows = sum(column('eval_loss').map((loss, index) => loss * batches[index]!.length)) / held.length
  expectRelative(byRows, theirs.eval_loss, tolerance, "TRL's eval_loss")
  expectRelative(sum(column('eval_entropy')) / 3, theirs.eval_entropy, tolerance, "TRL's eval_entropy")
  const whole = await measured(held)
  const { evaluations } = reference.runs.validated!
  expectRelative(whole.eval_loss, evaluations!.eval_loss![0], tolerance, 'eval_loss in one batch')
  expect(Math.abs(whole.eval_loss! / byRows - 1)).toBeGreaterThan(1e-4)
})

describe('rows put together', () => {
  interface Assignments {
    readonly capacity: number
    readonly lengths: number[]
    readonly bfd: number[][]
    /** Rows of [document, tokens of it]. */
    readonly wrapped: [number, number][][]
    /** [set, row] in turn. */
    readonly interleaved: {
      readonly sizes: number[]
      readonly first_exhausted: [number, number][]
      readonly all_exhausted: [number, number][]
    }
  }
  const { capacity, lengths, bfd, wrapped, interleaved } = readReference<Assignments>('sft-packing.json')

  it('by best fit are those that `pack_dataset` puts together', () => {
    expect(bestFitDecreasing(lengths, capacity)).toEqual(bfd)
  })

  it('by wrapping are cut where it cuts them', () => {
    const ours = wrap(lengths, capacity).map((row) =>
      row.map(({ document, start, end }) => [document, end - start]),
    )
    expect(ours).toEqual(wrapped)
  })

  it.each(['first_exhausted', 'all_exhausted'] as const)(
    'in turn are those of `interleave_datasets` for the same draws, %s',
    (strategy) => {
      const order = interleaved[strategy]
      const draws = order.map(([set]) => set)
      const ours = interleave(interleaved.sizes, () => draws.shift()!, strategy)
      expect(ours.map(({ set, row }) => [set, row])).toEqual(order)
    },
  )
})
