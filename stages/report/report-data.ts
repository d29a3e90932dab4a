/** @file What the page is made of, read from the inputs. Their content has been validated when it entered. */
import { readFile } from 'node:fs/promises'

/** One row of a training log; every number of it can be drawn. */
export type LogRow = Readonly<Record<string, unknown>>

export interface TrainingLog {
  readonly label: string
  readonly rows: readonly LogRow[]
}

export interface MetricsFile {
  readonly label: string
  /** That measured. */
  readonly stage?: string
  readonly values: Readonly<Record<string, number>>
}

export interface CandidateView {
  readonly response: string
  readonly score: number | null
  readonly judgeOutput: string
  readonly votes: readonly (number | null)[]
}

export interface PromptView {
  readonly instruction: string
  readonly candidates: readonly CandidateView[]
}

export interface ReportData {
  readonly title: string
  readonly notes: string
  readonly logs: readonly TrainingLog[]
  /** Metrics with an exact match: what the methods are compared by. */
  readonly measured: readonly MetricsFile[]
  /** Label of the metrics that the others are compared with. */
  readonly before: string | undefined
  /** How the judges judged. */
  readonly judges: readonly MetricsFile[]
  /** Metrics of any other kind: counters. */
  readonly counters: readonly MetricsFile[]
  readonly judged: readonly PromptView[] | undefined
  /** What a reader is shown: the sampled prompts with all their candidates, where these are known. */
  readonly samples: readonly PromptView[]
  /** Softmax weights of each prompt's responses. */
  readonly weights: readonly (readonly number[])[] | undefined
}

type Row = Readonly<Record<string, unknown>>

async function readRows(path: string): Promise<Row[]> {
  const lines = (await readFile(path, 'utf8')).split('\n')
  return lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line) as Row)
}

function promptText(prompt: unknown): string {
  if (typeof prompt === 'string') return prompt
  if (!Array.isArray(prompt)) return ''
  return prompt.map((message: Row) => `${message.role}: ${message.content}`).join('\n')
}

function candidateView(candidate: Row): CandidateView {
  return {
    response: String(candidate.response ?? candidate.text ?? ''),
    score: typeof candidate.score === 'number' ? candidate.score : null,
    judgeOutput: typeof candidate.judge_output === 'string' ? candidate.judge_output : '',
    votes: Array.isArray(candidate.votes) ? (candidate.votes as (number | null)[]) : [],
  }
}

/** A judged prompt with its candidates, or a sample row that holds a single reply. */
function promptView(row: Row): PromptView {
  return {
    instruction: promptText(row.instruction ?? row.prompt),
    candidates: (Array.isArray(row.candidates) ? (row.candidates as Row[]) : [row]).map(candidateView),
  }
}

async function readMetrics(paths: Readonly<Record<string, string>>): Promise<MetricsFile[]> {
  return await Promise.all(
    Object.entries(paths).map(async ([label, path]) => {
      const { stage, values } = JSON.parse(await readFile(path, 'utf8')) as Omit<MetricsFile, 'label'>
      return { label, values, ...(stage !== undefined && { stage }) }
    }),
  )
}

async function readPrompts(path: string | undefined): Promise<PromptView[] | undefined> {
  return path === undefined ? undefined : (await readRows(path)).map(promptView)
}

/** A sample names a prompt, mostly by one reply; its other candidates are in the judged rows. */
function shownPrompts(
  samples: readonly PromptView[] | undefined,
  judged: readonly PromptView[] | undefined,
): readonly PromptView[] {
  if (samples === undefined || judged === undefined) return samples ?? judged ?? []
  const byInstruction = new Map(judged.map((prompt) => [prompt.instruction, prompt]))
  const shown = samples.map((sample) => byInstruction.get(sample.instruction) ?? sample)
  return [...new Set(shown)]
}

export interface ReportInputs {
  readonly logs: Readonly<Record<string, string>>
  readonly metrics: Readonly<Record<string, string>>
  readonly judged: string | undefined
  readonly samples: string | undefined
  readonly groups: string | undefined
}

const beforeLabels = ['before', 'base', 'sft']

export async function readReportData(
  inputs: ReportInputs,
  params: { readonly title: string; readonly notes: string; readonly before: string },
): Promise<ReportData> {
  const metrics = await readMetrics(inputs.metrics)
  const judged = await readPrompts(inputs.judged)
  const measured = metrics.filter((file) => file.values.exact_match !== undefined)
  const before =
    [params.before, ...beforeLabels].find((label) => measured.some((file) => file.label === label)) ??
    measured[0]?.label
  const first = measured.filter((file) => file.label === before)
  const rest = measured.filter((file) => file.label !== before)
  return {
    title: params.title,
    notes: params.notes,
    logs: await Promise.all(
      Object.entries(inputs.logs).map(async ([label, path]) => ({ label, rows: await readRows(path) })),
    ),
    measured: [...first, ...rest],
    before,
    judges: metrics.filter(({ stage }) => stage === 'judge'),
    counters: metrics.filter(({ stage, values }) => values.exact_match === undefined && stage !== 'judge'),
    judged,
    samples: shownPrompts(await readPrompts(inputs.samples), judged),
    weights:
      inputs.groups === undefined
        ? undefined
        : (await readRows(inputs.groups)).map((row) => row.weights as readonly number[]),
  }
}
