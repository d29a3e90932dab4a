/** @file A decoder in memory: loaded from a folder, held as tensors of the running backend. */

import { requireFinite } from '../checkpoint/finite.ts'
import { type TensorMap, tf } from '../tensor/tf.ts'
import { loadTokenizer, type Tokenizer } from '../text/tokenizer.ts'
import type { DecoderConfig } from './config.ts'
import { tensorShapes } from './layout.ts'
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

/**
 * Reads a Hugging Face folder: `config.json`, safetensors (float32, float16, bfloat16; computed in float32) and the
 * tokenizer. Everything is judged before any weight is read.
 * @throws LmFailure
 */
export function loadModel(folder: string): Model {
  const { config, checkpoint, nameOf, remark } = openTextModel(folder)
  const tokenizer = loadTokenizer(folder, { modelVocabularySize: config.vocabularySize })
  const weights: TensorMap = {}
  for (const [name, shape] of tensorShapes(config)) {
    const { data } = checkpoint.tensor(nameOf(name))
    requireFinite(data, nameOf(name), folder)
    weights[name] = tf.tensor(data, [...shape], 'float32')
  }
  return { folder, config, tokenizer, weights, ...(remark !== undefined && { remark }) }
}
