/** @file `model`: a decoder in the Hugging Face layout. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type ArtifactFault, defineArtifact } from 'flow/artifacts'
import { openCheckpoint } from '../../lm/checkpoint/folder.ts'
import { modelSelection } from '../../lm/hub/repository.ts'
import { openTextModel } from '../../lm/model/text-model.ts'
import { hubSource } from '../hub/remote-source.ts'
import { shortCount } from './check/count.ts'
import { faultsOf } from './check/faults.ts'

function validate(folder: string): ArtifactFault[] {
  return [
    ...faultsOf(folder, () => {
      openTextModel(folder)
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
  return `${config.model_type}, ${shortCount(parameters)} parameters`
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
