/** @file `model`: a decoder in the Hugging Face layout. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type ArtifactFault, defineArtifact } from 'flow/artifacts'
import { openCheckpoint } from '../../lm/checkpoint/folder.ts'
import { LmFailure } from '../../lm/failure.ts'
import { modelSelection } from '../../lm/hub/repository.ts'
import { hubSource } from '../hub/remote-source.ts'
import { shortCount } from './check/count.ts'
import { faultsOf } from './check/faults.ts'

function architectureOf(config: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof config.model_type === 'string' && config.model_type !== '') return config.model_type
  const [first] = Array.isArray(config.architectures) ? config.architectures : []
  return typeof first === 'string' ? first : undefined
}

function validate(folder: string): ArtifactFault[] {
  return [
    ...faultsOf(folder, () => {
      const { config, names } = openCheckpoint(folder)
      if (architectureOf(config) === undefined) {
        throw new LmFailure({
          code: 'missing-architecture',
          message: 'config.json names no architecture',
          hint: 'it needs `model_type` ("qwen2", "llama") or `architectures`',
          file: join(folder, 'config.json'),
        })
      }
      if (names.length === 0) {
        throw new LmFailure({
          code: 'missing-weights',
          message: 'the weight files hold no tensor',
          file: folder,
        })
      }
    }),
    ...(existsSync(join(folder, 'tokenizer.json'))
      ? []
      : [{ message: 'tokenizer.json is missing', hint: 'save the tokenizer beside the model' }]),
  ]
}

function describe(folder: string): string {
  const { config, names, info } = openCheckpoint(folder)
  const parameters = names.reduce(
    (total, name) => total + info(name).shape.reduce((product, size) => product * size, 1),
    0,
  )
  return `${architectureOf(config)}, ${shortCount(parameters)} parameters`
}

export const model = defineArtifact({
  name: 'model',
  kind: 'folder',
  description: 'A decoder with its tokenizer: config.json, model.safetensors (or shards), tokenizer.json',
  extends: 'folder',
  remote: hubSource(modelSelection),
  validate,
  describe,
})
