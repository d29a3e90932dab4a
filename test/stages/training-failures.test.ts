/** @file What a training stage says of inputs and settings that it cannot use. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import dpo from '../../stages/dpo/index.ts'
import grpo from '../../stages/grpo/index.ts'
import pretrain from '../../stages/pretrain/index.ts'
import sft from '../../stages/sft/index.ts'
import { referencePath } from '../lm/reference.ts'
import { failureOf, runStage, temporaryFile, temporaryFolder } from './run-stage.ts'
import { changedModel, policy, quick } from './training-runs.ts'

const data = () => ({ rows: temporaryFile('rows.jsonl', [{ instruction: 'Hi', output: 'Hello' }]) })
const fineTune = (inputs: Readonly<Record<string, string>>, params: object = {}) =>
  failureOf(runStage(sft, { ...policy, data: data(), ...inputs }, { ...quick, ...params }))

describe('a model', () => {
  it('without weights', async () => {
    const model = changedModel('config.json', (config) => config)
    rmSync(join(model, 'model.safetensors'))
    expect(await fineTune({ model })).toEqual({
      code: 'missing-file',
      message: `${model} has neither model.safetensors nor model.safetensors.index.json`,
      hint: 'a model folder holds config.json, model.safetensors, tokenizer.json and tokenizer_config.json',
      file: model,
    })
  })

  it('that is an empty folder', async () => {
    const model = join(temporaryFolder(), 'empty')
    mkdirSync(model)
    expect(await fineTune({ model })).toMatchObject({
      code: 'missing-file',
      message: expect.stringContaining(join(model, 'config.json')),
    })
  })

  it('of another family', async () => {
    const model = changedModel('config.json', (config) => ({ ...config, model_type: 'mamba' }))
    expect(await fineTune({ model })).toEqual({
      code: 'unsupported-model',
      message: '`model_type` is "mamba", which is not supported',
      hint: expect.stringContaining('llama (Llama 2 and 3, SmolLM2)'),
      file: `${model}/config.json`,
    })
  })

  it('whose tensors are not those of its config', async () => {
    const model = changedModel('config.json', (config) => ({ ...config, intermediate_size: 96 }))
    expect(await fineTune({ model })).toEqual({
      code: 'damaged-model',
      message: 'tensor `model.layers.0.mlp.gate_proj.weight` is [64,32], but config.json makes it [96,32]',
      hint: 'config.json and the weights belong to different models',
      file: model,
    })
  })
})

describe('an adapter', () => {
  it('of another model', async () => {
    const adapter = referencePath('adapters/llama')
    const failure = await fineTune({ adapter })
    expect(failure).toMatchObject({
      code: 'adapter-does-not-fit',
      hint: 'use the adapter with the base model that it was trained on',
      file: adapter,
    })
    expect(failure.message).toMatch(
      /^the adapter does not fit the model: `.*` is \[.*\], its `.*lora_B.weight` \[48, 4\]$/,
    )
  })

  it('that is a model folder', async () => {
    expect((await fineTune({ adapter: policy.model })).code).toBe('missing-file')
  })
})

describe('settings', () => {
  it('with an unknown target', async () => {
    const fresh = (lora: object) =>
      failureOf(runStage(sft, { model: policy.model, data: data() }, { ...quick, lora }))
    const hint = 'choose from q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj, or `all-linear`'
    expect(await fresh({ targets: ['q_proj', 'query'] })).toEqual({
      code: 'unknown-target',
      message: "the adapter's target `query` is no projection of the model",
      hint,
    })
    for (const targets of [['q_proj', 'lm_head'], 'lm_head|.*q_proj']) {
      expect(await fresh({ targets })).toEqual({
        code: 'unsupported-target',
        message: "the adapter's targets take in `lm_head`, which is no projection of a layer",
        hint,
      })
    }
    expect(await fresh({ targets: 'model\\.layers\\..*' })).toMatchObject({ code: 'unsupported-target' })
    expect(await fresh({ targets: '.*k_proj', exclude_modules: 'model.*' })).toMatchObject({
      code: 'unknown-target',
    })
    expect(await fresh({ targets: '.*q_proj', layers_to_transform: [0] })).toMatchObject({
      code: 'unsupported-target',
    })
    expect(await fresh({ targets: '.*(?i:q_proj)' })).toMatchObject({ code: 'unsupported-pattern' })
    expect(await fresh({ targets: ['q_proj'], layers_to_transform: [9] })).toMatchObject({
      code: 'unknown-target',
    })
  })

  it('of a validation without held-out rows, before the model is read', async () => {
    for (const params of [
      { eval_steps: 5 },
      { eval_on_start: true },
      { keep_best: true },
      { early_stopping_patience: 1 },
    ]) {
      expect(await fineTune({ model: 'nowhere' }, params)).toEqual({
        code: 'invalid-parameter',
        message: `\`${Object.keys(params)[0]}\` has no effect without the input \`validation\``,
        hint: 'give the stage held-out rows: in: { validation: data/held-out.jsonl }',
      })
    }
  })

  it('with a metric that no evaluation measures, or weights of other data, before the model is read', async () => {
    const validation = temporaryFile('held-out.jsonl', [{ instruction: 'Hi', output: 'Hello' }])
    const metric = { metric_for_best_model: 'eval_accuracy' }
    expect(await fineTune({ model: 'nowhere', validation }, metric)).toEqual({
      code: 'invalid-parameter',
      message: '`metric_for_best_model` is `eval_accuracy`, which no evaluation measures',
      hint: 'choose from eval_loss, eval_mean_token_accuracy, eval_entropy',
    })
    expect(await fineTune({ model: 'nowhere' }, { mix: { other: 1 } })).toMatchObject({
      code: 'invalid-parameter',
      message: '`mix` names `other`, which is no data set of the input `data`',
    })
  })

  it('with an unknown device', async () => {
    const run = sft.run({
      inputs: { ...policy, validation: undefined, data: data() },
      outputs: { adapter: '', log: '' },
      params: { ...quick } as never,
      device: 'abacus',
      threads: 1,
      checkpoint: '',
      signal: new AbortController().signal,
      progress() {},
      log() {},
      warn() {},
      atEnd() {},
      keep: (_port, _what, load) => ({ value: load(), isShared: false }),
    })
    expect(await failureOf(run)).toMatchObject({
      code: 'unknown-device',
      hint: 'choose auto, cpu, webgpu, cuda or tensorflow',
    })
  })

  it('of no decoder', async () => {
    const inputs = { corpus: temporaryFile('corpus.jsonl', [{ text: 'a' }]), tokenizer: policy.model }
    for (const params of [
      { hidden_size: 100, heads: 3, kv_heads: 1 },
      { hidden_size: 36, heads: 4 },
      { heads: 4, kv_heads: 3 },
    ]) {
      expect(await failureOf(runStage(pretrain, inputs, params))).toMatchObject({
        code: 'invalid-parameter',
        message: expect.stringContaining('no decoder has hidden_size'),
      })
    }
  })
})

describe('rows', () => {
  it('that cannot be read, by file and line', async () => {
    const rows = temporaryFile('rows.jsonl', [{ instruction: 'Hi', output: 'Hello' }, { instruction: 'Hi' }])
    const failure = await failureOf(runStage(sft, { ...policy, data: { rows } }, quick))
    expect(failure).toMatchObject({ code: 'invalid-row', file: rows, line: 2 })
    const pairs = temporaryFile('pairs.jsonl', [{ prompt: 'a', chosen: 'b' }])
    expect(await failureOf(runStage(dpo, { ...policy, data: pairs }, quick))).toMatchObject({
      code: 'invalid-row',
      message: expect.stringContaining('rejected'),
      file: pairs,
      line: 1,
    })
  })

  it('that carry no signal', async () => {
    const rows = [1, 2].flatMap((group) =>
      ['a', 'b', 'c'].map((response) => ({ prompt: `p${group}`, response, reward: group, group })),
    )
    const file = temporaryFile('rewards.jsonl', rows)
    expect(await failureOf(runStage(grpo, { ...policy, data: file }, quick))).toEqual({
      code: 'no-signal',
      message: 'the rewards within each group are all equal: there is nothing to learn from them',
      hint: 'more candidates a prompt, or a judge that tells them apart',
    })
  })
})
