/**
 * @file Adapters that the stages write, with the logits that they give here, for `test/reference/check_adapters.py` to
 * load into PEFT: runs where FLOW_ADAPTERS_OUT names a folder to write to.
 */
import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { decoderAdapter, loadAdapter } from '../../lm/model/adapter.ts'
import { loadModel } from '../../lm/model/model.ts'
import sft from '../../stages/sft/index.ts'
import { logitsOf } from '../lm/forward.ts'
import { referencePath } from '../lm/reference.ts'
import { runStage } from './run-stage.ts'
import { quick } from './training-runs.ts'

const folder = process.env.FLOW_ADAPTERS_OUT

const kinds: readonly (readonly [string, string, object])[] = [
  ['plain', 'qwen2', { r: 4, alpha: 8 }],
  ['rslora', 'llama', { r: 4, alpha: 8, rslora: true }],
  ['dora', 'qwen2', { r: 4, alpha: 8, dora: true }],
  ['dora-dropout', 'llama', { r: 2, dora: true, dropout: 0.1, targets: ['v_proj', 'down_proj'] }],
  ['all-linear', 'llama', { r: 2, targets: 'all-linear', exclude_modules: ['k_proj'] }],
  ['regex', 'qwen2', { r: 2, targets: 'model\\.layers\\.(?P<n>\\d+)\\.(self_attn\\.[qk]|mlp\\.up)_proj' }],
  ['layers', 'qwen2', { r: 3, targets: ['o_proj', 'gate_proj'], layers_to_transform: [1] }],
  [
    'patterns',
    'qwen2',
    {
      r: 4,
      targets: ['q_proj', 'up_proj'],
      rslora: true,
      rank_pattern: { 'layers.1.*q_proj': 2 },
      alpha_pattern: { up_proj: 5 },
    },
  ],
  ['beside-a-vision-tower', 'qwen2.5-vl', { r: 2, targets: ['q_proj', 'gate_proj'], dora: true }],
]

describe.skipIf(folder === undefined)('adapters for PEFT', () => {
  it.each(kinds)('%s', async (name, model, lora) => {
    const path = referencePath(`models/${model}`)
    const data = { rows: referencePath('training/sft-rows.jsonl') }
    const run = await runStage(
      sft,
      { model: path, data },
      { ...quick, learning_rate: 0.02, max_steps: 6, lora },
    )
    const out = join(folder!, name)
    cpSync(run.outputs.adapter!, out, { recursive: true })
    const { config, weights } = loadModel(path)
    const ids = [84, 265, 271, 258, 115, 101, 99, 282, 260]
    const [bare] = logitsOf({ config, weights }, [ids])
    const [logits] = logitsOf({ config, weights, adapter: decoderAdapter(loadAdapter(out, config)) }, [ids])
    const moved = logits!.flat().map((value, index) => Math.abs(value - bare!.flat()[index]!))
    // What the adapter does is far larger than the tolerance with which it is compared.
    expect(Math.max(...moved)).toBeGreaterThan(0.1)
    writeFileSync(join(out, 'flow.json'), JSON.stringify({ model, input_ids: ids, logits }))
  })
})
