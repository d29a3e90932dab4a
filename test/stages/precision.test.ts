/** @file `precision` and `base_precision`: what they change, what they do not, and that the log says so. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type TensorData, writeSafetensors } from '../../lm/checkpoint/safetensors.ts'
import { openTextModel } from '../../lm/model/text-model.ts'
import { roundRows, spreadOut } from '../../lm/tensor/rounded-matrix.ts'
import dpo from '../../stages/dpo/index.ts'
import sft from '../../stages/sft/index.ts'
import { readReferenceRows } from '../lm/reference.ts'
import { runStage, temporaryFile, temporaryFolder } from './run-stage.ts'
import { adapterBytes, logOf, policy, quick } from './training-runs.ts'

const rows = () => ({
  rows: temporaryFile('rows.jsonl', readReferenceRows<object>('training/sft-rows.jsonl')),
})
const pairs = () => temporaryFile('pairs.jsonl', readReferenceRows<object>('training/dpo-rows.jsonl'))

/** The checkpoint with its projections rounded to 8 bits, written out in float32. */
function roundedModel(): string {
  const folder = join(temporaryFolder(), 'model')
  cpSync(policy.model, folder, { recursive: true })
  const { checkpoint } = openTextModel(policy.model)
  const tensors = checkpoint.names.map((name): [string, TensorData] => {
    const { shape, data } = checkpoint.tensor(name)
    if (!name.endsWith('_proj.weight')) return [name, { shape, data }]
    return [name, { shape, data: spreadOut(roundRows(data, shape[1]!)) }]
  })
  writeSafetensors(join(folder, 'model.safetensors'), Object.fromEntries(tensors), {
    metadata: { format: 'pt' },
  })
  return folder
}

describe('base_precision: int8', () => {
  const modules: [string, object][] = [
    ['lora', {}],
    ['dora with dropout', { lora: { r: 4, alpha: 8, dora: true, dropout: 0.1 } }],
  ]
  it.each(modules)(
    'trains (%s) as on a model that was rounded beforehand, bit for bit',
    async (name, lora) => {
      const inputs = name === 'lora' ? policy : { model: policy.model }
      const params = { ...quick, ...lora, epochs: 1 }
      const held = await runStage(sft, { ...inputs, data: rows() }, { ...params, base_precision: 'int8' })
      const rounded = await runStage(sft, { ...inputs, model: roundedModel(), data: rows() }, params)
      expect(adapterBytes(held.outputs.adapter!)).toEqual(adapterBytes(rounded.outputs.adapter!))
      expect(logOf(held)).toEqual(logOf(rounded))
      expect(held.logs.join('\n')).toContain('base_precision int8: projections rounded to 8 bits')
    },
  )

  it('rounds the reference, too: the first margin is 0', async () => {
    const params = { ...quick, epochs: 1, base_precision: 'int8' }
    const [first] = logOf(await runStage(dpo, { ...policy, data: pairs() }, params))
    expect(Math.abs(first!['rewards/margins']!)).toBeLessThan(1e-5)
  })
})

describe('precision', () => {
  it('says that it computes in float32, and does', async () => {
    const [plain, asked] = await Promise.all(
      ['fp32', 'bf16'].map((precision) =>
        runStage(sft, { ...policy, data: rows() }, { ...quick, epochs: 1, precision }),
      ),
    )
    expect(adapterBytes(asked!.outputs.adapter!)).toEqual(adapterBytes(plain!.outputs.adapter!))
    expect(asked!.logs.join('\n')).toContain('precision bf16: computed in float32 throughout')
    expect(plain!.logs.join('\n')).not.toContain('precision')
  })
})
