/**
 * @file `npm run bench -- online`: does online GRPO learn a task that can be checked? Runs workflows/online-grpo.yaml for
 * several seeds and prints the mean reward of its first and last updates and the exact match on questions the model
 * never saw; the reward curves become one image.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { mean } from '../../lm/evaluation/mean.ts'
import { chartImage } from '../../stages/report/charts/chart-image.ts'
import type { Point } from '../../stages/report/charts/line-chart.ts'
import { benchProject, root, runWorkflow } from './flow.ts'

const workflow = 'workflows/online-grpo.yaml'
/** Updates that a mean is taken over, at the beginning and at the end. */
const span = 8

interface Outcome {
  readonly seed: number
  /** Mean reward by update. */
  readonly curve: readonly Point[]
  /** Exact match, before and after. */
  readonly sft: number
  readonly grpo: number
  /** Share of greedy replies that show their working. */
  readonly worked: { readonly sft: number; readonly grpo: number }
}

export async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      seeds: { type: 'string', default: '101,102,103' },
      set: { type: 'string', multiple: true, default: [] },
      param: { type: 'string', multiple: true, default: [] },
      image: { type: 'string', default: 'node_modules/.cache/flow/bench/online.svg' },
    },
  })
  const project = benchProject('online')
  const extra = [
    ...values.param.flatMap((each) => ['--param', each]),
    ...values.set.flatMap((each) => ['--set', each]),
  ]
  const outcomes: Outcome[] = []
  for (const seed of values.seeds.split(',').map(Number)) {
    outcomes.push(await run(project, seed, extra))
    console.log(table(outcomes))
  }
  const image = resolve(root, values.image)
  mkdirSync(dirname(image), { recursive: true })
  writeFileSync(image, draw(outcomes))
  console.log(`\ncurves: ${values.image}`)
  return 0
}

async function run(project: string, seed: number, extra: readonly string[]): Promise<Outcome> {
  const place = (name: string) => join('results', String(seed), name)
  const outputs = {
    'grpo.out.log': place('log.jsonl'),
    'evaluate_sft.out.metrics': place('sft.json'),
    'evaluate_grpo.out.metrics': place('grpo.json'),
  }
  const placed = Object.entries(outputs).flatMap(([port, path]) => ['--set', `nodes.${port}=${path}`])
  await runWorkflow(project, [workflow, '--param', `seed=${seed}`, ...placed, ...extra])
  const read = (name: string) => readFileSync(join(project, place(name)), 'utf8')
  const metrics = (name: string) => (JSON.parse(read(name)) as { values: Record<string, number> }).values
  const [sft, grpo] = [metrics('sft.json'), metrics('grpo.json')]
  const rows = read('log.jsonl').trimEnd().split('\n')
  return {
    seed,
    curve: rows.flatMap((line) => {
      const { step, reward } = JSON.parse(line) as { step: number; reward?: number }
      return reward === undefined ? [] : [{ x: step, y: reward }]
    }),
    sft: sft.exact_match!,
    grpo: grpo.exact_match!,
    worked: { sft: sft['share/worked']!, grpo: grpo['share/worked']! },
  }
}

function table(outcomes: readonly Outcome[]): string {
  const rewards = (points: readonly Point[]) => mean(points.map(({ y }) => y))
  const row = (name: string, read: (outcome: Outcome) => number) => {
    const values = outcomes.map(read)
    const cells = [...values, mean(values)].map((value) => (100 * value).toFixed(1))
    return `| ${name} | ${cells.join(' | ')} |`
  }
  return [
    `| % | ${outcomes.map(({ seed }) => `seed ${seed}`).join(' | ')} | mean |`,
    `|---|${outcomes.map(() => '---|').join('')}---|`,
    row(`reward, first ${span} updates`, ({ curve }) => rewards(curve.slice(0, span))),
    row(`reward, last ${span} updates`, ({ curve }) => rewards(curve.slice(-span))),
    row('held-out exact match: SFT', ({ sft }) => sft),
    row('held-out exact match: online GRPO', ({ grpo }) => grpo),
    row('replies that show working: SFT', ({ worked }) => worked.sft),
    row('replies that show working: online GRPO', ({ worked }) => worked.grpo),
  ].join('\n')
}

function draw(outcomes: readonly Outcome[]): string {
  const series = outcomes.map(({ seed, curve }) => ({ name: `seed ${seed}`, points: curve }))
  return chartImage([{ title: 'Mean reward, online GRPO', xLabel: 'update', series, yDomain: [0, 1] }])
}
