/** @file The scaling of Llama 3's rotary frequencies, which GGUF stores as one factor a frequency. */

export interface Llama3Scaling {
  readonly factor: number
  readonly low_freq_factor: number
  readonly high_freq_factor: number
  readonly original_max_position_embeddings: number
}

/** By how much each frequency is divided, [headSize / 2]: long waves by `factor`, short ones by 1, between them a ramp. */
export function ropeFactors(scaling: Llama3Scaling, theta: number, headSize: number): Float32Array {
  const {
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: length,
  } = scaling
  return Float32Array.from({ length: headSize / 2 }, (_, index) => {
    const waveLength = 2 * Math.PI * theta ** ((2 * index) / headSize)
    if (waveLength < length / high) return 1
    if (waveLength > length / low) return factor
    const smooth = (length / waveLength - low) / (high - low)
    return 1 / ((1 - smooth) / factor + smooth)
  })
}

/** The scaling behind factors, as far as Llama 3 has used any; undefined where they come from another one. */
export function llama3Factors(factors: Float32Array, theta: number): Llama3Scaling | undefined {
  const factor = Math.max(...factors)
  for (const length of [8192, 4096, 2048, 16_384, 32_768, 131_072]) {
    const scaling = {
      factor,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: length,
    }
    const expected = ropeFactors(scaling, theta, 2 * factors.length)
    if (expected.every((value, index) => Math.abs(value - factors[index]!) <= 1e-4 * value)) return scaling
  }
  return undefined
}
