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

/**
 * The scaling behind factors, as far as it goes from 1 to 4 wave lengths of the original text like all of Llama 3;
 * undefined where they come from another one.
 */
export function llama3Factors(factors: Float32Array, theta: number): Llama3Scaling | undefined {
  const headSize = 2 * factors.length
  const [low, high] = [1, 4]
  const factor = Math.max(...factors)
  // On the ramp, each factor gives the length; without a ramp, only the lengths that are in use can be tried.
  const onRamp = [...factors].flatMap((value, index) => {
    const smooth = (1 / value - 1 / factor) / (1 - 1 / factor)
    const waveLength = 2 * Math.PI * theta ** ((2 * index) / headSize)
    return smooth > 0 && smooth < 1 ? [Math.round((smooth * (high - low) + low) * waveLength)] : []
  })
  for (const length of [...onRamp, 8192, 4096, 2048, 16_384, 32_768, 131_072]) {
    const scaling = {
      factor,
      low_freq_factor: low,
      high_freq_factor: high,
      original_max_position_embeddings: length,
    }
    const expected = ropeFactors(scaling, theta, headSize)
    if (expected.every((value, index) => Math.abs(value - factors[index]!) <= 1e-4 * value)) return scaling
  }
  return undefined
}
