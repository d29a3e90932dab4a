/** @file Does the works of a comparison in turn, and prints and writes what came out. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { results, root } from '../flow.ts'
import { type Run, runContestant } from './contestant.ts'
import { inWords, machine } from './machine.ts'
import { type Options, readOptions } from './options.ts'
import { goalInWords, judgeGoals, type Runs, table } from './table.ts'
import type { Contestant, Work } from './work.ts'

export interface Comparison {
  /** The file below test/bench. */
  readonly name: string
  readonly works: readonly Work[]
  /** Sizes of the works that are flags, with their defaults. */
  readonly sizes: Readonly<Record<string, number>>
}

/** The exit code is 1 where a contestant failed, 2 where the command line is wrong; a goal that was missed is no failure. */
export async function compare({ name, works, sizes }: Comparison, argv: readonly string[]): Promise<number> {
  const names = works.map((work) => work.name)
  const options = readOptions(argv, name, names, sizes)
  if (typeof options === 'string') {
    console.error(options)
    return 2
  }
  const stated = machine()
  const versions: Record<string, string> = { ...stated.versions }
  const outcomes: object[] = []
  let failed = false
  const write = () => {
    mkdirSync(dirname(options.json), { recursive: true })
    const written = { command: [name, ...argv], machine: { ...stated, versions }, threads: options.threads }
    writeFileSync(options.json, `${JSON.stringify({ ...written, works: outcomes }, null, 2)}\n`)
  }
  for (const work of works) {
    if (options.only.length > 0 && !options.only.includes(work.name)) continue
    const folder = join(results, 'compare', work.name)
    mkdirSync(folder, { recursive: true })
    const shared = await work.prepare(options, folder)
    if (typeof shared === 'string') {
      console.log(`\n${work.name}: left out, ${shared}`)
      continue
    }
    const runs = new Map<string, Run>()
    for (const contestant of present(work, options)) {
      process.stderr.write(`${work.name}: ${contestant.name} ...`)
      try {
        const run = await runContestant(contestant, shared, options, folder)
        process.stderr.write(` ${run.processSeconds.toFixed(1)} s\n`)
        runs.set(contestant.name, run)
        Object.assign(versions, run.versions)
      } catch (error) {
        process.stderr.write(` failed: ${(error as Error).message}\n`)
        failed = true
      }
    }
    if (runs.size === 0) continue
    const compared = withLikeness(runs)
    const goals = judgeGoals(work.goals ?? [], compared)
    console.log(
      `\n${work.title}\n\n${table(compared)}\n${goals.map((goal) => `\n${goalInWords(goal)}`).join('')}`,
    )
    const contestants = Object.fromEntries(compared)
    outcomes.push({ work: work.name, title: work.title, settings: shared, contestants, goals })
    write()
  }
  console.log(`\n${inWords({ ...stated, versions })}; ${options.threads} threads`)
  console.log(`outcomes: ${relative(root, options.json)}`)
  return failed ? 1 : 0
}

function present(work: Work, options: Options): readonly Contestant[] {
  return work
    .contestants(options)
    .filter(({ interpreter }) => interpreter === 'node' || options[interpreter] !== undefined)
}

/** The time of the whole process, and how many answers are the first contestant's, become figures, too. */
function withLikeness(runs: Runs): Runs {
  const [first] = runs.values()
  return new Map(
    [...runs].map(([name, { answers, ...run }]) => {
      const alike = first!.answers?.filter((answer, index) => answer.join() === answers?.[index]?.join())
      return [
        name,
        {
          ...run,
          figures: {
            ...run.figures,
            ...(alike !== undefined && { "answers that are the first column's": alike.length }),
            'whole process, s': run.processSeconds,
          },
        },
      ]
    }),
  )
}
