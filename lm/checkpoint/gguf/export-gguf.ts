/** @file A model as a GGUF file that llama.cpp loads, its weights passing through memory one tensor at a time. */
import { tensorShapes } from '../../model/layout.ts'
import type { TextModel } from '../../model/text-model.ts'
import { loadTokenizer } from '../../text/tokenizer.ts'
import { readTokenizerFiles } from '../../text/tokenizer-files.ts'
import type { TensorData } from '../safetensors.ts'
import { requireFloat16 } from '../write-checkpoint.ts'
import { ggufName, isNorm, reorderRows, rotatedHeads } from './architecture.ts'
import { tensorTypes } from './format.ts'
import type { WritableType } from './quantise.ts'
import { ropeFactors } from './rope-factors.ts'
import { architectureFor, cannotSay, configFields } from './write-config.ts'
import { type PlannedTensor, writeGguf } from './write-gguf.ts'
import { tokenizerFields } from './write-tokenizer.ts'

export interface ExportOptions {
  /** Of the matrices; vectors are F32. A matrix whose rows are no whole blocks becomes F16. */
  readonly type: WritableType
  /** A tensor as it is to be written, by the decoder's name. */
  readonly tensor: (name: string) => TensorData
  readonly onTensor?: (done: number, total: number) => void
}

/** @throws LmFailure `gguf-cannot-say`, `dtype-overflow` */
export function exportGguf(
  file: string,
  { config, checkpoint }: TextModel,
  { type, tensor, onTensor }: ExportOptions,
): void {
  const source = checkpoint.folder
  const architecture = architectureFor(config)
  const files = readTokenizerFiles(source)
  const fields = new Map([
    ...configFields(config, type, checkpoint.configFile),
    ...tokenizerFields(files, config.vocabularySize, loadTokenizer(source).prefixIds),
  ])
  const shapes = [...tensorShapes(config)].sort(([a], [b]) => (a < b ? -1 : 1))
  let done = 0
  const planned = shapes.map(([name, shape]): PlannedTensor => {
    const stored = ggufName(architecture, name)
    if (stored === undefined)
      throw cannotSay(source, `the tensor \`${name}\` of a ${architecture.name} model`)
    const own = typeOf(shape, type)
    const values = () => {
      const { data } = tensor(name)
      if (own === 'F16') requireFloat16(data, name, source)
      onTensor?.(++done, shapes.length)
      const heads = rotatedHeads(architecture, name, { query: config.heads, keyValue: config.keyValueHeads })
      if (heads !== undefined) return reorderRows(data, shape[0]!, heads, 'pairs')
      return isNorm(name) && architecture.normOffset !== 0
        ? data.map((value) => value + architecture.normOffset)
        : data
    }
    return { name: stored, shape, type: own, values }
  })
  const { scaling, theta } = config.rotary.full
  if (scaling?.type === 'llama3') {
    const { factor, lowFrequencyFactor, highFrequencyFactor, originalPositions } = scaling
    const factors = ropeFactors(
      {
        factor,
        low_freq_factor: lowFrequencyFactor,
        high_freq_factor: highFrequencyFactor,
        original_max_position_embeddings: originalPositions,
      },
      theta,
      config.headSize,
    )
    planned.unshift({
      name: 'rope_freqs.weight',
      shape: [factors.length],
      type: 'F32',
      values: () => factors,
    })
  }
  writeGguf(file, fields, planned)
}

function typeOf(shape: readonly number[], wanted: WritableType): WritableType {
  if (shape.length === 1) return 'F32'
  return shape.at(-1)! % tensorTypes[wanted].blockLength === 0 ? wanted : 'F16'
}
