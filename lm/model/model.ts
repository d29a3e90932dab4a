/** @file A decoder in memory: loaded from a folder, held as tensors of the running backend. */

import { requireFinite } from '../checkpoint/finite.ts'
import { openCheckpoint } from '../checkpoint/folder.ts'
import { LmFailure } from '../failure.ts'
import { type TensorMap, tf } from '../tensor/tf.ts'
import { loadTokenizer, type Tokenizer } from '../text/tokenizer.ts'
import { type DecoderConfig, decoderConfig } from './config.ts'
import { names, tensorShapes } from './layout.ts'

export interface Model {
  readonly folder: string
  readonly config: DecoderConfig
  readonly tokenizer: Tokenizer
  /** By Hugging Face name; matrices are [out, in]. */
  readonly weights: TensorMap
}

/**
 * Reads a Hugging Face folder: `config.json`, safetensors (float32, float16, bfloat16; computed in float32) and the
 * tokenizer. The configuration is judged before any weight is read.
 * @throws LmFailure
 */
export function loadModel(folder: string): Model {
  const checkpoint = openCheckpoint(folder)
  const file = `${folder}/config.json`
  const config = withActualOutput(decoderConfig(checkpoint.config, file), checkpoint.has(names.output))
  const weights: TensorMap = {}
  for (const [name, shape] of tensorShapes(config)) {
    const tensor = checkpoint.tensor(name)
    if (tensor.shape.join() !== shape.join()) {
      throw new LmFailure({
        code: 'damaged-model',
        message: `tensor \`${name}\` is [${tensor.shape}], but config.json makes it [${shape}]`,
        file: folder,
      })
    }
    requireFinite(tensor.data, name, folder)
    weights[name] = tf.tensor(tensor.data, tensor.shape, 'float32')
  }
  return { folder, config, tokenizer: loadTokenizer(folder), weights }
}

/** Checkpoints exist that say `tie_word_embeddings: false` and carry no output matrix: they are tied. */
function withActualOutput(config: DecoderConfig, hasOutput: boolean): DecoderConfig {
  return config.tiedEmbeddings || hasOutput ? config : { ...config, tiedEmbeddings: true }
}
