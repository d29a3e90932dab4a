import { type Progress, StageFailure } from 'flow/stage'
import { requireFinite } from '../../lm/checkpoint/finite.ts'
import { exportGguf } from '../../lm/checkpoint/gguf/export-gguf.ts'
import type { WritableType } from '../../lm/checkpoint/gguf/quantise.ts'
import { exportedLength } from '../../lm/checkpoint/gguf/write-config.ts'
import type { WritableDtype } from '../../lm/checkpoint/safetensors.ts'
import { writeCheckpoint } from '../../lm/checkpoint/write-checkpoint.ts'
import { loadAdapter, mergedTensor } from '../../lm/model/adapter.ts'
import { tensorShapes } from '../../lm/model/layout.ts'
import { openTextModel } from '../../lm/model/text-model.ts'
import { startDevice } from '../../lm/tensor/device.ts'

export interface MergeParams {
  readonly format: string
  readonly dtype: string
  /** Gigabytes. */
  readonly shard_size: number
}

export interface MergeReport {
  progress(progress: Progress): void
  log(message: string): void
  warn(message: string): void
}

const dtypes: Readonly<Record<string, WritableType>> = {
  fp32: 'F32',
  fp16: 'F16',
  bf16: 'BF16',
  q8_0: 'Q8_0',
}

/** Products are computed on the CPU, in float32, whatever the device: the result is the same everywhere. */
export async function mergeModel(
  paths: { readonly model: string; readonly adapter: string | undefined; readonly out: string },
  { format, dtype, shard_size: shardGigabytes }: MergeParams,
  { progress, log, warn }: MergeReport,
): Promise<void> {
  const type = dtypes[dtype === 'auto' ? (format === 'gguf' ? 'fp16' : 'fp32') : dtype]!
  if (format !== 'gguf' && type === 'Q8_0') {
    throw new StageFailure({
      code: 'unsupported-dtype',
      message: 'a Hugging Face folder holds no q8_0 weights',
      hint: 'choose format gguf, or fp32, fp16 or bf16',
    })
  }
  await startDevice('cpu', 1)
  const text = openTextModel(paths.model)
  const { config, checkpoint, nameOf } = text
  const adapter = paths.adapter === undefined ? undefined : loadAdapter(paths.adapter, config)
  /** By the decoder's name. */
  const tensor = (name: string) => {
    const read = checkpoint.tensor(nameOf(name))
    requireFinite(read.data, nameOf(name), paths.model)
    return adapter === undefined ? read : mergedTensor(adapter, name, read)
  }
  const onTensor = (step: number, total: number) => progress({ step, total, unit: 'tensor' })
  log(
    `${adapter === undefined ? 'no adapter' : `${adapter.modules.length} adapted weights`}, written as ${type}`,
  )
  if (format === 'gguf') {
    if (text.remark !== undefined) warn(text.remark)
    const limit = exportedLength(config)
    if (limit < config.maxPositions) {
      warn(`llama.cpp knows no sliding window in this family: the file states ${limit} positions, its width`)
    }
    exportGguf(paths.out, text, { type, tensor, onTensor })
    return
  }
  const decoderNames = new Map([...tensorShapes(config).keys()].map((name) => [nameOf(name), name]))
  writeCheckpoint(paths.out, checkpoint, {
    dtype: type as WritableDtype,
    shardBytes: shardGigabytes * 1e9,
    tensor: (name) => {
      const own = decoderNames.get(name)
      return own === undefined ? checkpoint.tensor(name) : tensor(own)
    },
    onTensor,
  })
}
