/** @file `model`: a decoder in the Hugging Face layout, or in a GGUF file. */
import { type ArtifactFault, defineArtifact } from 'flow/artifacts'
import { openCheckpoint } from '../../lm/checkpoint/folder.ts'
import { modelSelection } from '../../lm/hub/repository.ts'
import { openTextModel } from '../../lm/model/text-model.ts'
import { readTokenizerFiles } from '../../lm/text/tokenizer-files.ts'
import { hubSource } from '../hub/remote-source.ts'
import { shortCount } from './check/count.ts'
import { faultsOf } from './check/faults.ts'

function validate(path: string): ArtifactFault[] {
  return [
    ...faultsOf(path, () => {
      openTextModel(path)
    }),
    ...faultsOf(path, () => {
      readTokenizerFiles(path)
    }),
  ]
}

function describe(path: string): string {
  const { config, names, info } = openCheckpoint(path)
  const parameters = names.reduce(
    (total, name) => total + info(name).shape.reduce((product, size) => product * size, 1),
    0,
  )
  return `${config.model_type}, ${shortCount(parameters)} parameters`
}

export const model = defineArtifact({
  name: 'model',
  kind: 'either',
  description:
    'A decoder with its tokenizer: a folder of config.json, model.safetensors (or shards) and tokenizer.json; or a GGUF file',
  remote: hubSource(modelSelection),
  validate,
  describe,
})
