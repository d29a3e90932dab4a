/** @file `adapter`: LoRA weights in PEFT's layout. */
import { defineArtifact } from 'flow/artifacts'
import { readAdapter } from '../../lm/checkpoint/peft.ts'
import { adapterSelection } from '../../lm/hub/repository.ts'
import { hubSource } from '../hub/remote-source.ts'
import { shortCount } from './check/count.ts'
import { faultsOf } from './check/faults.ts'

export const adapter = defineArtifact({
  name: 'adapter',
  kind: 'folder',
  description: 'LoRA weights as PEFT saves them: adapter_config.json, adapter_model.safetensors',
  extends: 'folder',
  remote: hubSource(adapterSelection),
  validate: (folder) => faultsOf(folder, () => readAdapter(folder)),
  describe: (folder) => {
    const { settings, tensors } = readAdapter(folder)
    const parameters = [...tensors.values()].reduce((total, tensor) => total + tensor.data.length, 0)
    return `${settings.dora ? 'DoRA' : 'LoRA'} of rank ${settings.r}, ${shortCount(parameters)} parameters`
  },
})
