/** @file A training stage as the engine runs it, without the engine: parameters filled in, files read, an adapter written. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Ajv from 'ajv'
import { mean } from '../../../lm/evaluation/mean.ts'
import { compilations } from '../../../lm/tensor/compilations.ts'
import dpo from '../../../stages/dpo/index.ts'
import sft from '../../../stages/sft/index.ts'
import { readSettings, report } from './measure.ts'

interface Settings {
  readonly model: string
  readonly threads: number
  readonly stage: 'sft' | 'dpo'
  readonly rows: string
  readonly params: Readonly<Record<string, unknown>>
  /** Tokens of the rows, padding not counted. */
  readonly tokens: number
}

export async function main(argv: readonly string[]): Promise<number> {
  const { model, threads, stage, rows, params, tokens } = readSettings<Settings>(argv)
  const { run, params: schema } = stage === 'sft' ? sft : dpo
  const filled = structuredClone(params)
  const validate = new Ajv({ useDefaults: true, strict: false }).compile(JSON.parse(JSON.stringify(schema)))
  if (!validate(filled)) throw new Error(`parameters: ${JSON.stringify(validate.errors)}`)
  const folder = mkdtempSync(join(tmpdir(), 'flow-bench-'))
  const outputs = { adapter: join(folder, 'adapter'), log: join(folder, 'log.jsonl') }
  const checkpoint = join(folder, 'checkpoint')
  mkdirSync(checkpoint)
  const said: string[] = []
  const startMs = performance.now()
  try {
    // biome-ignore lint/suspicious/noExplicitAny: the context of one stage or the other
    await (run as (context: any) => Promise<void>)({
      inputs: { model, data: stage === 'sft' ? { rows } : rows },
      outputs,
      params: filled,
      device: 'cpu',
      threads,
      checkpoint,
      signal: new AbortController().signal,
      progress: () => {},
      log: (message: string) => said.push(message),
      warn: (message: string) => console.error(message),
    })
    const seconds = (performance.now() - startMs) / 1000
    const log = readFileSync(outputs.log, 'utf8').trimEnd().split('\n')
    const losses = log.map((line) => (JSON.parse(line) as { loss: number }).loss)
    const compiling = compilations().reduce(
      (sum, { tracingMs, buildingMs }) => sum + tracingMs + buildingMs,
      0,
    )
    const padding = /([\d.]+)% padding/.exec(said.join('\n'))?.[1]
    return report({
      figures: {
        'training, s': seconds,
        'of that compiling, s': compiling / 1000,
        'real tokens/s': tokens / seconds,
        ...(padding !== undefined && { 'padding, %': Number(padding) }),
        'mean loss': mean(losses),
      },
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
