/**
 * @file `npm run bench -- loop`: does self-rewarding work on the shipped model, or does it just run? Runs
 * workflows/self-reward.yaml for several seeds, each once with the judge's scores and several times with the scores
 * shuffled within each prompt (the control), and prints exact match on questions the model never saw.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { mean } from '../../lm/evaluation/mean.ts'
import { benchProject, root, runWorkflow } from './flow.ts'

const methods = ['dpo', 'grpo', 'gspo'] as const
type Method = (typeof methods)[number]

interface Outcome {
  readonly seed: number
  /** Exact match after supervised fine-tuning. */
  readonly sft: number
  readonly judged: Record<Method, number>
  /** One entry a shuffle. */
  readonly shuffled: Record<Method, number[]>
  /** Share of greedy replies that show their working. */
  readonly worked: Record<'sft' | Method, number>
}

export async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      seeds: { type: 'string', default: '101,102,103' },
      shuffles: { type: 'string', default: '3' },
      questions: { type: 'string', default: 'data/heldout.jsonl' },
      set: { type: 'string', multiple: true, default: [] },
      param: { type: 'string', multiple: true, default: [] },
      out: { type: 'string', default: 'node_modules/.cache/flow/bench/loop.json' },
    },
  })
  const project = benchProject('loop')
  const extra = [
    ...values.param.flatMap((each) => ['--param', each]),
    ...values.set.flatMap((each) => ['--set', each]),
  ]
  const outcomes: Outcome[] = []
  for (const seed of values.seeds.split(',').map(Number)) {
    const run = (scores: string[]) =>
      evaluateRun(project, [`questions=${values.questions}`, `seed=${seed}`, ...scores], extra)
    const judged = await run([])
    const shuffled: Record<Method, number[]> = { dpo: [], grpo: [], gspo: [] }
    for (let shuffle = 1; shuffle <= Number(values.shuffles); shuffle++) {
      const control = await run(['scores=shuffled', `score_seed=${shuffle}`])
      for (const method of methods) shuffled[method].push(control.exactMatch[method])
    }
    const { sft, ...rest } = judged.exactMatch
    outcomes.push({ seed, sft, judged: rest, shuffled, worked: judged.worked })
    writeFileSync(resolve(root, values.out), `${JSON.stringify(outcomes, null, 2)}\n`)
    console.log(table(outcomes))
  }
  return 0
}

interface Measured {
  readonly exactMatch: Record<'sft' | Method, number>
  readonly worked: Record<'sft' | Method, number>
}

async function evaluateRun(
  project: string,
  params: readonly string[],
  extra: readonly string[],
): Promise<Measured> {
  const names = ['sft', ...methods] as const
  const fileOf = (name: string) =>
    join('metrics', params.join(' ').replaceAll(/[^a-z0-9= ]/g, '-'), `${name}.json`)
  const args = [
    ...params.flatMap((each) => ['--param', each]),
    ...names.flatMap((name) => ['--set', `nodes.evaluate_${name}.out.metrics=${fileOf(name)}`]),
    ...extra,
  ]
  await runWorkflow(project, ['workflows/self-reward.yaml', ...args])
  const read = (name: string) =>
    (JSON.parse(readFileSync(join(project, fileOf(name)), 'utf8')) as { values: Record<string, number> })
      .values
  const collect = (metric: string) =>
    Object.fromEntries(names.map((name) => [name, read(name)[metric]!])) as Measured['exactMatch']
  return { exactMatch: collect('exact_match'), worked: collect('share/worked') }
}

function table(outcomes: readonly Outcome[]): string {
  const percent = (value: number) => (100 * value).toFixed(1)
  const row = (name: string, read: (outcome: Outcome) => number) => {
    const values = outcomes.map(read)
    return `| ${name} | ${values.map(percent).join(' | ')} | ${percent(mean(values))} |`
  }
  return [
    `| exact match, % | ${outcomes.map(({ seed }) => `seed ${seed}`).join(' | ')} | mean |`,
    `|---|${outcomes.map(() => '---|').join('')}---|`,
    row('SFT', ({ sft }) => sft),
    ...methods.flatMap((method) => [
      row(method.toUpperCase(), ({ judged }) => judged[method]),
      ...(outcomes[0]!.shuffled[method].length > 0
        ? [row(`${method.toUpperCase()}, scores shuffled`, ({ shuffled }) => mean(shuffled[method]))]
        : []),
    ]),
    row('replies that show working: SFT', ({ worked }) => worked.sft),
    ...methods.map((method) =>
      row(`replies that show working: ${method.toUpperCase()}`, ({ worked }) => worked[method]),
    ),
  ].join('\n')
}
