/**
 * @file Fresh weights: N(0, 1/sqrt(in)) for each matrix, those that write into the residual stream divided by
 * sqrt(2 * layers) (GPT-2's rule), embeddings N(0, 0.05), norms 1, biases 0.
 */
import { createRandom } from '../random.ts'
import type { DecoderConfig } from './config.ts'
import { names, tensorShapes } from './layout.ts'

export function initialWeights(
  config: DecoderConfig,
  seed: number,
): Map<string, { shape: number[]; data: Float32Array }> {
  const random = createRandom(`weights ${seed}`)
  const weights = new Map<string, { shape: number[]; data: Float32Array }>()
  for (const [name, shape] of tensorShapes(config)) {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1))
    if (shape.length === 2) {
      const deviation = deviationOf(config, name, shape[1]!)
      for (let index = 0; index < data.length; index++) data[index] = random.normal() * deviation
    } else if (!name.endsWith('.bias')) {
      data.fill(1 - config.normOffset)
    }
    weights.set(name, { shape: [...shape], data })
  }
  return weights
}

function deviationOf(config: DecoderConfig, name: string, input: number): number {
  if (name === names.embedding || name === names.output) return 0.05
  const intoResidual = name.endsWith('o_proj.weight') || name.endsWith('down_proj.weight')
  return 1 / Math.sqrt(input) / (intoResidual ? Math.sqrt(2 * config.layers) : 1)
}
