/** @file Preference optimisation on the very pairs, settings and starting adapter that TRL's trainer was given. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { readPreferences } from '../../lm/text/rows.ts'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import dpo from '../../stages/dpo/index.ts'
import { readPairs } from '../../stages/dpo/pairs.ts'
import { readReference, referencePath } from '../lm/reference.ts'
import { runStage, temporaryFile } from './run-stage.ts'
import { type LogRow, logOf, policy, sum } from './training-runs.ts'
import { adapterDifference, expectRelative, trainingParams } from './trl-runs.ts'

interface CompletionReference {
  readonly input_ids: number[]
  readonly completion_start: number
}

interface DpoSettings {
  readonly loss_type: string[]
  readonly loss_weights?: number[]
  readonly label_smoothing?: number
  readonly beta?: number
  readonly use_weighting?: boolean
  readonly ld_alpha?: number
  readonly f_divergence_type?: string
  readonly f_alpha_divergence_coef?: number
}

type Columns = Readonly<Record<string, number[]>>

interface DpoReference {
  readonly settings: Readonly<Record<string, unknown>>
  readonly batches: { readonly chosen: CompletionReference[]; readonly rejected: CompletionReference[] }[]
  readonly runs: Readonly<
    Record<
      string,
      {
        readonly settings: DpoSettings
        readonly log: Columns
        readonly micro?: Record<string, number>[]
        readonly evaluations?: Columns
      }
    >
  >
}

const reference = readReference<DpoReference>('training/dpo.json')
const rows = referencePath('training/dpo-rows.jsonl')

function optimise(
  name: string,
  changed: object = {},
  data = rows,
  inputs: Readonly<Record<string, string>> = {},
) {
  const { settings } = reference.runs[name]!
  return runStage(
    dpo,
    { ...policy, data, ...inputs },
    {
      ...trainingParams({ ...reference.settings, ...settings }),
      beta: settings.beta ?? reference.settings.beta,
      loss: settings.loss_type.length === 1 ? settings.loss_type[0] : settings.loss_type,
      loss_weights: settings.loss_weights ?? [],
      label_smoothing: settings.label_smoothing ?? 0,
      f_divergence_type: settings.f_divergence_type ?? 'reverse_kl',
      f_alpha_divergence_coef: settings.f_alpha_divergence_coef ?? 0.5,
      use_weighting: settings.use_weighting ?? false,
      ld_alpha: settings.ld_alpha ?? 1,
      ...changed,
    },
  )
}

/** Sums of about 40 log-probabilities carry absolute noise, which their differences keep. */
const noise = 1e-5

function expectStep(ours: LogRow, theirs: Columns, step: number, metrics: readonly string[]) {
  const of = (metric: string) => theirs[metric]![step]!
  const at = `at step ${step + 1}`
  expectRelative(ours.loss, of('loss'), 3e-5, `loss ${at}`)
  expectRelative(ours.grad_norm, of('grad_norm'), 2e-4, `grad_norm ${at}`)
  expectRelative(ours.learning_rate, of('learning_rate'), 1e-7, `learning_rate ${at}`)
  expect(ours.epoch).toBeCloseTo(of('epoch'), 3)
  expect(ours.num_tokens).toBe(of('num_tokens'))
  for (const metric of metrics) {
    if (Math.abs(ours[metric]! - of(metric)) < noise) continue
    // Before the first move every pair is a tie, up to the last bit of reference sums from other batches.
    if (metric === 'rewards/accuracies' && of('rewards/margins') === 0) continue
    expectRelative(ours[metric], of(metric), 3e-5, `${metric} ${at}`)
  }
}

const pairMetrics = [
  'rewards/chosen',
  'rewards/rejected',
  'rewards/margins',
  'rewards/accuracies',
  'logps/chosen',
  'logps/rejected',
]
const tokenMetrics = ['logits/chosen', 'logits/rejected', 'mean_token_accuracy', 'entropy']

describe('dpo against TRL', () => {
  it('reads the same tokens', () => {
    const maxLength = reference.settings.max_length as number
    const pairs = readPairs(readPreferences(rows), loadTokenizer(policy.model), maxLength, { warn() {} })
    const ours = (side: 'chosen' | 'rejected') =>
      pairs.map((pair) => {
        const { ids, weights } = pair[side]
        return { input_ids: ids, completion_start: Array.from(weights).indexOf(1) }
      })
    expect(ours('chosen')).toEqual(reference.batches.flatMap(({ chosen }) => chosen))
    expect(ours('rejected')).toEqual(reference.batches.flatMap(({ rejected }) => rejected))
  })

  const wholeBatches = Object.keys(reference.runs).filter(
    (name) => !['accumulated', 'rpo-uneven', 'sigmoid-smoothed', 'validated'].includes(name),
  )

  it.each(wholeBatches)('%s: every step', async (name) => {
    const run = await optimise(name)
    const log = logOf(run)
    const { log: theirs } = reference.runs[name]!
    expect(log).toHaveLength(theirs.loss!.length)
    for (const [step, row] of log.entries()) expectStep(row, theirs, step, [...pairMetrics, ...tokenMetrics])
    if (name === 'sigmoid') {
      expect(adapterDifference(run.outputs.adapter!, referencePath('training/dpo-sigmoid'))).toBeLessThan(
        1e-5,
      )
    }
  })

  it('validated: held-out pairs every two steps, and the best adapter', async () => {
    const { log: theirs, evaluations } = reference.runs.validated!
    const validation = referencePath('training/dpo-held-out.jsonl')
    const run = await optimise('validated', { eval_steps: 2, keep_best: true }, rows, { validation })
    const log = logOf(run)
    const updates = log.filter(({ loss }) => loss !== undefined)
    for (const [step, row] of updates.entries()) expectStep(row, theirs, step, pairMetrics)
    const ours = log.filter(({ eval_loss }) => eval_loss !== undefined)
    expect(ours.map(({ step }) => step)).toEqual(evaluations!.step)
    const columns = ['loss', ...pairMetrics, ...tokenMetrics].map((name) => `eval_${name}`)
    for (const [index, row] of ours.entries()) {
      for (const column of columns) {
        const expected = evaluations![column]![index]!
        if (Math.abs(row[column]! - expected) < noise) continue
        expectRelative(row[column], expected, 3e-5, `${column} at evaluation ${index + 1}`)
      }
    }
    // The last evaluation is the best: its adapter is that of the run without one.
    expect(adapterDifference(run.outputs.adapter!, referencePath('training/dpo-sigmoid'))).toBeLessThan(1e-5)
  })

  it('rpo is sigmoid and sft, weighed', async () => {
    const [one, two] = [
      await optimise('rpo'),
      await optimise('rpo', { loss: 'rpo', rpo_alpha: 0.5, loss_weights: [] }),
    ]
    const file = (run: typeof one) => readFileSync(join(run.outputs.adapter!, 'adapter_model.safetensors'))
    expect(file(two)).toEqual(file(one))
  })
})

describe('where the numbers differ from TRL on purpose', () => {
  it('means over tokens weigh each token alike; TRL means its micro-batches', async () => {
    const { log: theirs, micro } = reference.runs.accumulated!
    const log = logOf(await optimise('accumulated'))
    const pairs = reference.batches.flatMap(({ chosen, rejected }) =>
      chosen.map((each, index) => {
        const count = ({ input_ids, completion_start }: CompletionReference) =>
          input_ids.length - completion_start
        return { chosen: count(each), rejected: count(rejected[index]!) }
      }),
    )
    let apart = 0
    log.forEach((row, step) => {
      expectStep(row, theirs, step, pairMetrics)
      const own = [0, 1].map((part) => micro![2 * step + part]!)
      const counts = (of: (pair: (typeof pairs)[number]) => number) =>
        [0, 1].map((part) => {
          const first = (4 * step + 2 * part) % pairs.length
          return sum(pairs.slice(first, first + 2).map(of))
        })
      const weighed: Readonly<Record<string, number[]>> = {
        'logits/chosen': counts(({ chosen }) => chosen),
        'logits/rejected': counts(({ rejected }) => rejected),
        mean_token_accuracy: counts(({ chosen }) => chosen),
        entropy: counts(({ chosen, rejected }) => chosen + rejected),
      }
      for (const [metric, weights] of Object.entries(weighed)) {
        const values = own.map((each) => each[metric]!)
        expect((values[0]! + values[1]!) / 2).toBeCloseTo(theirs[metric]![step]!, 7)
        const mean = sum(values.map((value, part) => value * weights[part]!)) / sum(weights)
        expect(Math.abs(row[metric]! - mean), metric).toBeLessThan(noise)
        apart = Math.max(apart, Math.abs(mean - theirs[metric]![step]!))
      }
    })
    expect(apart).toBeGreaterThan(1e-3)
  })

  it('a short micro-batch counts by its pairs, and its likelihood by its tokens', async () => {
    const { log: theirs, micro } = reference.runs['rpo-uneven']!
    const seven = readFileSync(rows, 'utf8').trimEnd().split('\n').slice(0, 7)
    const data = temporaryFile('seven.jsonl', `${seven.join('\n')}\n`)
    const [row] = logOf(await optimise('rpo-uneven', {}, data))
    const [four, three] = micro!
    for (const metric of ['logps/chosen', 'logps/rejected']) {
      expect((four![metric]! + three![metric]!) / 2).toBeCloseTo(theirs[metric]![0]!, 5)
      const mean = (4 * four![metric]! + 3 * three![metric]!) / 7
      expectRelative(row![metric], mean, 3e-6, metric)
      expect(Math.abs(mean / theirs[metric]![0]! - 1)).toBeGreaterThan(1e-4)
    }
    const [first, second] = [four, three].map((each) => each!.loss! - Math.log(2))
    expect((first! + second!) / 2 + Math.log(2)).toBeCloseTo(theirs.loss![0]!, 5)
    const chosen = reference.batches.flatMap((batch) => batch.chosen)
    const counts = chosen.map(({ input_ids, completion_start }) => input_ids.length - completion_start)
    const [tokens, rest] = [sum(counts.slice(0, 4)), sum(counts.slice(4, 7))]
    const likelihood = (first! * tokens + second! * rest) / (tokens + rest)
    expectRelative(row!.loss, Math.log(2) + likelihood, 3e-6, 'loss')
  })

  it('label smoothing counts for sigmoid; TRL passes over it', async () => {
    const { log: theirs } = reference.runs['sigmoid-smoothed']!
    expect(theirs.loss).toEqual(reference.runs.sigmoid!.log.loss)
    const plain = logOf(await optimise('sigmoid-smoothed', { label_smoothing: 0 }))
    for (const [step, row] of plain.entries()) expectStep(row, theirs, step, pairMetrics)
    const smoothed = logOf(await optimise('sigmoid-smoothed', { label_smoothing: 0.1 }))
    expect(smoothed[2]!.loss! - plain[2]!.loss!).toBeGreaterThan(0.01)
  })
})
