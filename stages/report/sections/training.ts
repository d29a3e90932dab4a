/** @file How each training stage went: its loss, and whatever else its log holds that is worth a chart. */
import { type LineChartOptions, lineChart, type Series } from '../charts/line-chart.ts'
import { smooth, smoothingReach } from '../charts/smooth.ts'
import { formatNumber, plural } from '../format.ts'
import { html, type Markup, nothing } from '../html.ts'
import type { TrainingLog } from '../report-data.ts'

interface ChartRecipe {
  readonly title: string
  /** Column of the log -> name of the series; or columns whose first group is the name, where there are several. */
  readonly columns: Readonly<Record<string, string>> | RegExp
  readonly yDomain?: readonly [number, number]
}

/** Drawn, in this order, where a log has at least one of the columns. */
const recipes: readonly ChartRecipe[] = [
  { title: 'Loss', columns: { loss: 'loss', eval_loss: 'held-out loss' } },
  {
    title: 'Reward margin',
    columns: { 'rewards/margins': 'margin', 'eval_rewards/margins': 'held-out margin' },
  },
  {
    title: 'Implicit rewards',
    columns: { 'rewards/chosen': 'chosen', 'rewards/rejected': 'rejected' },
  },
  {
    title: 'Preference accuracy',
    columns: { 'rewards/accuracies': 'accuracy', 'eval_rewards/accuracies': 'held-out accuracy' },
    yDomain: [0, 1],
  },
  {
    title: 'Token accuracy',
    columns: { mean_token_accuracy: 'accuracy', eval_mean_token_accuracy: 'held-out accuracy' },
    yDomain: [0, 1],
  },
  { title: 'Mean reward', columns: { reward: 'reward' } },
  { title: 'Rewards by name', columns: /^rewards\/(.+)\/mean$/ },
  {
    title: 'Completion length',
    columns: {
      'completions/mean_length': 'tokens',
      'completions/mean_terminated_length': 'tokens, ended by itself',
    },
  },
  {
    title: 'Groups whose rewards are all equal',
    columns: { frac_reward_zero_std: 'share' },
    yDomain: [0, 1],
  },
  { title: 'KL to the reference', columns: { kl: 'KL' } },
  {
    title: 'Clipped share',
    columns: { clip_ratio: 'clipped', 'clip_ratio/region_mean': 'clipped' },
  },
  { title: 'Gradient norm', columns: { grad_norm: 'gradient norm' } },
]

/** A log may count its steps anew each epoch: rows are placed by the running maximum, else by their number. */
function stepsOf(log: TrainingLog): number[] {
  const steps = log.rows.map((row) => (typeof row.step === 'number' ? row.step : Number.NaN))
  const increasing = steps.every((step, row) => row === 0 || step >= steps[row - 1]!)
  return increasing ? steps : steps.map((_, row) => row + 1)
}

function seriesOf(
  log: TrainingLog,
  column: string,
  name: string,
  steps: readonly number[],
): Series | undefined {
  const points = log.rows.flatMap((row, index) => {
    const value = row[column]
    return typeof value === 'number' && Number.isFinite(value) ? [{ x: steps[index]!, y: value }] : []
  })
  return points.length === 0 ? undefined : { name, points }
}

function columnsOf(log: TrainingLog, { columns }: ChartRecipe): (readonly [column: string, name: string])[] {
  if (!(columns instanceof RegExp)) return Object.entries(columns)
  const named = [...new Set(log.rows.flatMap((row) => Object.keys(row)))].flatMap((column) => {
    const name = columns.exec(column)?.[1]
    return name === undefined ? [] : [[column, name] as const]
  })
  return named.length > 1 ? named : []
}

function chartsOf(log: TrainingLog): LineChartOptions[] {
  const steps = stepsOf(log)
  return recipes.flatMap((recipe) => {
    const series = columnsOf(log, recipe).flatMap(
      ([column, name]) => seriesOf(log, column, name, steps) ?? [],
    )
    if (series.length === 0) return []
    const title = `${log.label}: ${recipe.title.toLowerCase()}`
    return [{ title, xLabel: 'step', series, ...(recipe.yDomain ? { yDomain: recipe.yDomain } : {}) }]
  })
}

function summaryOf(log: TrainingLog): Markup {
  const losses = log.rows.flatMap((row) => (typeof row.loss === 'number' ? [row.loss] : []))
  const first = losses[0]
  const last = losses.at(-1)
  const rewards = log.rows.flatMap((row) => (typeof row.reward === 'number' ? [row.reward] : []))
  const smoothed = smooth(rewards, smoothingReach(rewards.length))
  const [before, after] = [smoothed[0], smoothed.at(-1)]
  return html`<p class="summary">${plural(losses.length, 'logged step')}${
    first !== undefined && last !== undefined && `; loss ${formatNumber(first)} \u2192 ${formatNumber(last)}`
  }${
    before !== undefined &&
    after !== undefined &&
    `; reward, averaged, ${formatNumber(before)} \u2192 ${formatNumber(after)}`
  }</p>`
}

export function trainingSection(logs: readonly TrainingLog[]): Markup {
  if (logs.length === 0) return nothing
  return html`<section id="training"><h2>Training</h2>
<p class="hint">Faint: each logged step. Bold: the average of its neighbourhood.</p>
${logs.map((log) => {
  const [loss, ...others] = chartsOf(log)
  return html`<article class="log"><h3>${log.label}</h3>${summaryOf(log)}
<div class="charts">${loss && lineChart(loss)}${others.slice(0, 1).map(lineChart)}</div>
${
  others.length > 1 &&
  html`<details><summary>${plural(others.length - 1, 'more chart')}</summary><div class="charts">${others.slice(1).map(lineChart)}</div></details>`
}</article>`
})}</section>`
}
