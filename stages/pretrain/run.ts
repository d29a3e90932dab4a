import { writeFileSync } from 'node:fs'
import { type ContextOf, StageFailure } from 'flow/stage'
import type { Sequence } from '../../lm/batches/sequence.ts'
import { tokenBatch } from '../../lm/batches/token-batch.ts'
import { writeModel } from '../../lm/checkpoint/write-model.ts'
import { decoderConfig } from '../../lm/model/config.ts'
import { initialWeights } from '../../lm/model/initialise.ts'
import { jsonLines } from '../../lm/text/json-lines.ts'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { supervised, supervisedShares } from '../../lm/training/objectives/supervised.ts'
import { ParameterLayout } from '../../lm/training/trainable.ts'
import { type TrainingTask, train } from '../../lm/training/trainer.ts'
import { openDevice } from '../device/open-device.ts'
import { architecture } from './architecture.ts'
import type stage from './index.ts'
import { readTexts } from './texts.ts'
import { cutWindows } from './windows.ts'

export async function pretrain({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  const headSize = params.hidden_size / params.heads
  if (headSize % 2 !== 0 || params.heads % params.kv_heads !== 0) {
    throw new StageFailure({
      code: 'invalid-parameter',
      message: `no decoder has hidden_size ${params.hidden_size}, heads ${params.heads}, kv_heads ${params.kv_heads}`,
      hint: 'hidden_size / heads must be an even whole number, and kv_heads must divide heads',
    })
  }
  await openDevice(context)
  const tokenizer = loadTokenizer(inputs.tokenizer)
  const fields = architecture(params, tokenizer.vocabularySize)
  const config = decoderConfig(fields, 'config.json')
  const wanted = Math.floor(params.tokens / (params.context * params.batch_size)) * params.batch_size
  context.progress({ step: 0, note: 'tokenising the corpus' })
  const texts = readTexts(inputs.corpus, tokenizer)
  const windows = await cutWindows(texts, tokenizer, tokenizer.padId, params.context, wanted)
  if (windows.length < wanted) {
    throw new StageFailure({
      code: 'corpus-too-small',
      message: `the corpus makes ${windows.length * params.context} tokens, fewer than the ${params.tokens} asked for`,
      hint: 'lower `tokens` or give it a longer corpus',
      file: inputs.corpus,
    })
  }

  const initial = initialWeights(config, params.seed)
  const layout = ParameterLayout.of(initial)
  const task: TrainingTask<Sequence> = {
    rows: windows.map((ids) => ({ ids, weights: new Uint8Array(ids.length).fill(1) })),
    objective: supervised,
    sequencesOf: (row) => [row],
    separable: true,
    collate: (rows, whole, settings) => {
      const { arrays, layout: slots } = tokenBatch(rows, settings)
      const extra = supervisedShares(arrays, slots, whole)
      return { arrays: { ...arrays, ...extra }, layout: slots, tokens: slots.counted }
    },
    columns: (metrics) => metrics,
  }
  const result = await train(
    config,
    (weights) => ({ config, weights }),
    layout,
    layout.flatten(initial),
    task,
    {
      epochs: 1,
      batchSize: params.batch_size,
      accumulation: 1,
      shuffle: true,
      groupByLength: false,
      seed: params.seed,
      learningRate: params.learning_rate,
      schedule: 'cosine',
      warmup: params.warmup_steps,
      minimumRateRatio: params.min_lr_ratio,
      isDecayed: (_, shape) => shape.length === 2,
      optimizer: {
        beta1: 0.9,
        beta2: params.beta2,
        epsilon: 1e-8,
        weightDecay: params.weight_decay,
        maxGradientNorm: params.max_grad_norm,
      },
    },
    context,
  )
  const special = { bos: tokenizer.bosId, eos: tokenizer.eosId, pad: tokenizer.padId }
  writeModel(outputs.model, fields, layout.unflatten(result.parameters), inputs.tokenizer, special)
  writeFileSync(outputs.log, jsonLines(result.log.map((row) => ({ stage: 'pretrain', ...row }))))
}
