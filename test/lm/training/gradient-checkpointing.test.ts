/** @file Gradient checkpointing: the numbers of an ordinary gradient, with less memory. */
import { beforeAll, describe, expect, it } from 'vitest'
import { tokenBatch } from '../../../lm/batches/token-batch.ts'
import { type DecoderConfig, decoderConfig } from '../../../lm/model/config.ts'
import { initialWeights } from '../../../lm/model/initialise.ts'
import { compilations } from '../../../lm/tensor/compilations.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { CompiledGradient } from '../../../lm/training/gradient.ts'
import { supervised, supervisedShares } from '../../../lm/training/objectives/supervised.ts'
import { ParameterLayout } from '../../../lm/training/trainable.ts'
import { architecture } from '../../../stages/pretrain/architecture.ts'
import { largestDifference, referenceConfig } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

/** Loss and gradient in all weights, of sequences of the same length. */
function gradientOf(config: DecoderConfig, count: number, length: number, gradientCheckpointing: boolean) {
  const weights = initialWeights(config, 0)
  const layout = ParameterLayout.of(weights)
  const assemble = (weights: tf.NamedTensorMap) => ({ config, weights })
  const gradient = new CompiledGradient({ assemble, layout, objective: supervised, gradientCheckpointing })
  const rows = Array.from({ length: count }, (_, row) => {
    const ids = Array.from(
      { length: length + 1 },
      (_, place) => (row * 31 + place * 17) % config.vocabularySize,
    )
    return { ids, weights: ids.map(() => 1) }
  })
  const { arrays, layout: slots } = tokenBatch(rows, { config, sharing: true })
  const batch = {
    arrays: { ...arrays, ...supervisedShares(arrays, slots, rows) },
    layout: slots,
    tokens: count * length,
  }
  const p = tf.tensor1d(layout.flatten(weights))
  const { loss, g } = gradient.run(batch, p, tf.zeros([layout.size]))
  const values = Array.from(g.dataSync())
  tf.dispose([p, g])
  gradient.dispose()
  return { loss, values, operators: compilations().at(-1)!.operators }
}

describe('a gradient whose layers are computed anew', () => {
  // Biases; norms of queries and keys; norms of outputs and sliding attention.
  it.each(['qwen2', 'qwen3', 'gemma3-text'])('is that of what is kept: %s', (model) => {
    const config = referenceConfig(model)
    const kept = gradientOf(config, 2, 12, false)
    const anew = gradientOf(config, 2, 12, true)
    expect(anew.operators).toBeGreaterThan(1.2 * kept.operators)
    expect(Math.abs(anew.loss - kept.loss) / kept.loss).toBeLessThan(1e-6)
    const scale = kept.values.reduce((most, each) => Math.max(most, Math.abs(each)), 0)
    expect(largestDifference(anew.values, kept.values) / scale).toBeLessThan(1e-6)
  })

  it('takes less memory', () => {
    const size = { layers: 8, hidden_size: 128, intermediate_size: 512, heads: 4, kv_heads: 2, context: 256 }
    const config = decoderConfig(architecture(size, 64), 'config.json')
    const peakMegabytes = () => process.resourceUsage().maxRSS / 1024
    gradientOf(config, 8, 256, true)
    const before = peakMegabytes()
    gradientOf(config, 8, 256, false)
    // Of 2048 tokens a layer keeps some 1,900 numbers each, where it is not computed anew.
    expect(peakMegabytes() - before).toBeGreaterThan(60)
  })
})
