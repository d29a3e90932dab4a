/** @file `gradient_checkpointing` of the stages that train adapters: what is computed anew is what was computed first. */
import { expect, it } from 'vitest'
import { compilations } from '../../lm/tensor/compilations.ts'
import dpo from '../../stages/dpo/index.ts'
import grpo from '../../stages/grpo/index.ts'
import sft from '../../stages/sft/index.ts'
import { readReferenceRows } from '../lm/reference.ts'
import { type AnyStage, runStage, temporaryFile } from './run-stage.ts'
import { logOf, policy, quick } from './training-runs.ts'

const file = (rows: string) =>
  temporaryFile('rows.jsonl', readReferenceRows<object>(`training/${rows}.jsonl`))
const lora = { r: 4, alpha: 8, dora: true, dropout: 0.1 }

const trainings: [name: string, stage: AnyStage, inputs: () => Record<string, unknown>, params: object][] = [
  [
    'sft with noise, a rounded base, DoRA and dropout',
    sft,
    () => ({ model: policy.model, data: { rows: file('sft-rows') } }),
    { lora, neftune_noise_alpha: 5, base_precision: 'int8' },
  ],
  ['dpo on shared prompts', dpo, () => ({ ...policy, data: file('dpo-rows') }), {}],
  ['grpo', grpo, () => ({ ...policy, data: file('grpo-rows') }), { beta: 0.1 }],
]

it.each(trainings)('%s', async (_, stage, inputs, params) => {
  const run = async (gradient_checkpointing: boolean) => {
    const settings = { ...quick, epochs: 1, max_steps: 3, ...params, gradient_checkpointing }
    const log = logOf(await runStage(stage, inputs() as never, settings))
    const { operators } = compilations().findLast(({ name }) => name === 'gradient')!
    return { log, operators }
  }
  const kept = await run(false)
  const anew = await run(true)
  expect(anew.operators).toBeGreaterThan(1.2 * kept.operators)
  expect(anew.log.length).toBe(kept.log.length)
  anew.log.forEach((row, index) => {
    for (const name of ['loss', 'grad_norm']) {
      const expected = kept.log[index]![name]!
      expect(Math.abs(row[name]! - expected) / Math.max(Math.abs(expected), 1e-3), name).toBeLessThan(1e-5)
    }
  })
})
