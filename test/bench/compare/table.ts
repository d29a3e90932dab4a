/** @file A work's outcomes as a Markdown table, a row a figure and a column a contestant, and what became of its goals. */
import type { Run } from './contestant.ts'
import type { Goal } from './work.ts'

export type Runs = ReadonlyMap<string, Run>

/** Contestants' figures side by side; with one peer, Flow's share of its figure as well. */
export function table(runs: Runs): string {
  const names = [...runs.keys()]
  const figures = [...new Set([...runs.values()].flatMap((run) => Object.keys(run.figures)))]
  const compared = names.length === 2
  const rows = figures.map((figure) => {
    const values = names.map((name) => runs.get(name)!.figures[figure])
    return [figure, ...values.map(inFigures), ...(compared ? [inFigures(values[0]! / values[1]!)] : [])]
  })
  return lines([['', ...names, ...(compared ? ['ratio'] : [])], ...rows])
}

export interface JudgedGoal extends Goal {
  readonly reached: number
  readonly met: boolean
}

/** Goals of which both sides ran. */
export function judgeGoals(goals: readonly Goal[], runs: Runs): JudgedGoal[] {
  return goals.flatMap((goal) => {
    const ours = runs.get(goal.ours)?.figures[goal.figure]
    const theirs = runs.get(goal.peer)?.figures[goal.figure]
    if (ours === undefined || theirs === undefined) return []
    const reached = ours / theirs
    return [
      { ...goal, reached, met: goal.bound === 'at most' ? reached <= goal.ratio : reached >= goal.ratio },
    ]
  })
}

export function goalInWords({ figure, ours, peer, bound, ratio, reached, met }: JudgedGoal): string {
  return `- ${figure}: ${ours} has ${inFigures(reached)} x ${peer}'s (goal: ${bound} ${ratio} x): ${met ? 'met' : 'missed'}`
}

/** Four significant digits. */
function inFigures(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return ''
  return Math.abs(value) >= 1000 ? String(Math.round(value)) : String(Number(value.toPrecision(4)))
}

function lines(rows: readonly (readonly string[])[]): string {
  const [head, ...body] = rows
  return [head!, head!.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}
