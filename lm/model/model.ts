/** @file A decoder in memory: loaded from a folder, held as tensors of the running backend. */
import { requireFinite } from '../checkpoint/finite.ts'
import { currentOnnxBackend } from '../tensor/onnx-backend.ts'
import { roundRows, spreadOut } from '../tensor/rounded-matrix.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import { loadTokenizer, type Tokenizer } from '../text/tokenizer.ts'
import type { DecoderConfig } from './config.ts'
import { names, tensorShapes } from './layout.ts'
import { openTextModel } from './text-model.ts'

export interface Model {
  readonly folder: string
  readonly config: DecoderConfig
  readonly tokenizer: Tokenizer
  /** By Hugging Face name; matrices are [out, in]. */
  readonly weights: TensorMap
  /** What a person should know of how it was loaded. */
  readonly remark?: string
}

/** What the projections' weights are held as: `int8` with a scale a row; embeddings and norms stay float32. */
export type BasePrecision = 'fp32' | 'int8'

/**
 * Reads a Hugging Face folder: `config.json`, safetensors (float32, float16, bfloat16; computed in float32) and the
 * tokenizer. Everything is judged before any weight is read.
 * @throws LmFailure
 */
export function loadModel(folder: string, base: BasePrecision = 'fp32'): Model {
  const { config, checkpoint, nameOf, remark } = openTextModel(folder)
  const tokenizer = loadTokenizer(folder, { modelVocabularySize: config.vocabularySize })
  const weights: TensorMap = {}
  for (const [name, shape] of tensorShapes(config)) {
    const { data } = checkpoint.tensor(nameOf(name))
    requireFinite(data, nameOf(name), folder)
    weights[name] = base === 'int8' && isProjection(name, shape) ? rounded(data, shape) : plain(data, shape)
  }
  return { folder, config, tokenizer, weights, ...(remark !== undefined && { remark }) }
}

function isProjection(name: string, shape: readonly number[]): shape is readonly [number, number] {
  return shape.length === 2 && name !== names.embedding && name !== names.output
}

function plain(data: Float32Array, shape: readonly number[]): Tensor {
  return tf.tensor(data, [...shape], 'float32')
}

/** A backend that cannot hold it so computes with what the rounded numbers stand for. */
function rounded(data: Float32Array, shape: readonly [number, number]): Tensor {
  return currentOnnxBackend()?.rounded(data, shape) ?? plain(spreadOut(roundRows(data, shape[1])), shape)
}
