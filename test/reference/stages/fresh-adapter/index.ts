/** @file A fresh LoRA adapter of a model: the common start of two trainers that are compared. */
import { defineStage, Type } from 'flow/stage'

export default defineStage({
  name: 'fresh-adapter',
  description: 'Makes a LoRA adapter that changes nothing yet',
  inputs: { model: 'model' },
  outputs: { adapter: 'adapter' },
  params: Type.Object({
    r: Type.Integer({ minimum: 1, default: 8 }),
    alpha: Type.Number({ exclusiveMinimum: 0, default: 16 }),
    seed: Type.Integer({ default: 0 }),
  }),
  async run({ inputs, outputs, params: { r, alpha, seed } }) {
    const { openCheckpoint } = await import('../../../../lm/checkpoint/folder.ts')
    const { decoderConfig } = await import('../../../../lm/model/config.ts')
    const { initialMatrices, plainLora } = await import('../../../../lm/model/lora.ts')
    const { allTargets, loraModules } = await import('../../../../lm/model/lora-modules.ts')
    const { saveAdapter } = await import('../../../../lm/training/train-adapter.ts')
    const config = decoderConfig(openCheckpoint(inputs.model).config, inputs.model)
    const settings = { ...plainLora, r, alpha, targets: allTargets }
    saveAdapter(outputs.adapter, settings, initialMatrices(config, loraModules(config, settings), seed))
  },
})
