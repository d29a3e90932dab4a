/**
 * @file `npm run bench -- rounds`: what rounds of self-rewarding do on the shipped model. Runs
 * workflows/self-reward-rounds.yaml for several seeds, first with all rounds but the last, then with all, and prints
 * exact match on questions the model never saw, and which nodes the last round made run.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { benchProject, root, runWorkflow } from './flow.ts'

interface Outcome {
  readonly seed: number
  /** Exact match after round 0 (the fine-tuned model), 1, ... */
  readonly exactMatch: readonly number[]
  /** Nodes that ran when one more round was asked for. */
  readonly lastRound: readonly string[]
}

export async function main(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      seeds: { type: 'string', default: '101,102,103' },
      rounds: { type: 'string', default: '2' },
      param: { type: 'string', multiple: true, default: [] },
      out: { type: 'string', default: 'node_modules/.cache/flow/bench/rounds.json' },
    },
  })
  const rounds = Number(values.rounds)
  const project = benchProject('rounds')
  const outcomes: Outcome[] = []
  for (const seed of values.seeds.split(',').map(Number)) {
    const run = async (times: number): Promise<string[]> => {
      const params = [`seed=${seed}`, `rounds=${times}`, ...values.param]
      const nodes: string[] = []
      const executed = (node: string) => nodes.push(node)
      const args = params.flatMap((each) => ['--param', each])
      await runWorkflow(project, ['workflows/self-reward-rounds.yaml', ...args], { executed })
      return nodes
    }
    await run(rounds - 1)
    const lastRound = await run(rounds)
    outcomes.push({ seed, exactMatch: exactMatchIn(project), lastRound })
    writeFileSync(resolve(root, values.out), `${JSON.stringify(outcomes, null, 2)}\n`)
    console.log(table(outcomes))
  }
  return 0
}

/** As the report says it to whoever lists pages. */
function exactMatchIn(project: string): number[] {
  const page = readFileSync(join(project, 'reports/self-reward-rounds.html'), 'utf8')
  const line = /name="description" content="([^"]*)"/.exec(page)?.[1] ?? ''
  return [...line.matchAll(/round \d+ ([\d.]+)%/g)].map((match) => Number(match[1]))
}

function table(outcomes: readonly Outcome[]): string {
  const heads = outcomes[0]?.exactMatch.map((_, round) => `M${round + 1}`) ?? []
  return [
    `| exact match, % | ${heads.join(' | ')} | run by the last round |`,
    `|---|${heads.map(() => '---|').join('')}---|`,
    ...outcomes.map(
      ({ seed, exactMatch, lastRound }) =>
        `| seed ${seed} | ${exactMatch.map((share) => share.toFixed(1)).join(' | ')} | ${lastRound.join(', ')} |`,
    ),
  ].join('\n')
}
