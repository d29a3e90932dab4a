/** @file AdamW against the textbook's loop over scalars, in float64. */
import { beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../../../lm/random.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { type AdamWArguments, type AdamWSettings, adamWUpdate } from '../../../lm/training/adamw.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

const settings: AdamWSettings = {
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.1,
  maxGradientNorm: 1,
}

interface Scalar {
  p: number
  m: number
  v: number
}

function scalarUpdate(
  { p, m, v }: Scalar,
  gradient: number,
  rate: number,
  step: number,
  isDecayed: boolean,
): Scalar {
  const first = settings.beta1 * m + (1 - settings.beta1) * gradient
  const second = settings.beta2 * v + (1 - settings.beta2) * gradient ** 2
  const corrected = first / (1 - settings.beta1 ** step)
  const scale = Math.sqrt(second / (1 - settings.beta2 ** step)) + settings.epsilon
  const shrunk = isDecayed ? p * (1 - rate * settings.weightDecay) : p
  return { p: shrunk - (rate * corrected) / scale, m: first, v: second }
}

function update(
  optimizer: AdamWSettings,
  state: Scalar[],
  gradients: number[],
  rate: number,
  step: number,
  decayed: number[],
) {
  const column = (name: keyof Scalar) => tf.tensor1d(state.map((each) => each[name]))
  const run = jit((args: AdamWArguments) => adamWUpdate(optimizer, args))
  const { p, m, v, norm } = run({
    p: column('p'),
    m: column('m'),
    v: column('v'),
    g: tf.tensor1d(gradients),
    decayed: tf.tensor1d(decayed),
    rate: tf.scalar(rate),
    correction1: tf.scalar(1 - optimizer.beta1 ** step),
    correction2: tf.scalar(Math.sqrt(1 - optimizer.beta2 ** step)),
  })
  const [parameters, first, second] = [p, m, v].map((tensor) => tensor.dataSync())
  return {
    state: state.map(
      (_, index): Scalar => ({ p: parameters![index]!, m: first![index]!, v: second![index]! }),
    ),
    norm: norm.dataSync()[0]!,
  }
}

describe('adamWUpdate', () => {
  it('follows the scalar loop over 20 updates, clipped and unclipped, decay only where it applies', () => {
    const random = createRandom('adamw')
    const decayed = [1, 0, 1, 1, 0, 1]
    let ours: Scalar[] = decayed.map(() => ({ p: Math.fround(random.normal()), m: 0, v: 0 }))
    let theirs = ours
    for (let step = 1; step <= 20; step++) {
      // Norms on both sides of 1.
      const gradients = decayed.map(() => Math.fround((random.normal() * step) / 10))
      const rate = 0.01 * (1 - step / 25)
      const norm = Math.sqrt(gradients.reduce((sum, each) => sum + each ** 2, 0))
      const clip = Math.min(1, settings.maxGradientNorm / (norm + 1e-6))
      const result = update(settings, ours, gradients, rate, step, decayed)
      theirs = theirs.map((each, index) =>
        scalarUpdate(each, gradients[index]! * clip, rate, step, decayed[index] === 1),
      )
      ours = result.state
      expect(Math.abs(result.norm - norm) / norm).toBeLessThan(1e-6)
      ours.forEach((each, index) => {
        expect(Math.abs(each.p - theirs[index]!.p)).toBeLessThan(2e-6)
        expect(Math.abs(each.m - theirs[index]!.m)).toBeLessThan(1e-6)
        expect(Math.abs(each.v - theirs[index]!.v)).toBeLessThan(1e-6)
      })
    }
  })

  it('clips to max / (norm + 1e-6) and reports the norm before', () => {
    const optimizer = { ...settings, weightDecay: 0, beta1: 0, beta2: 0, maxGradientNorm: 0.5 }
    const start = [0, 0].map((): Scalar => ({ p: 1, m: 0, v: 0 }))
    const { state, norm } = update(optimizer, start, [3, 4], 0.1, 1, [1, 1])
    expect(norm).toBe(5)
    expect(state[0]!.m).toBeCloseTo((3 * 0.5) / (5 + 1e-6), 7)
    expect(state[1]!.m).toBeCloseTo((4 * 0.5) / (5 + 1e-6), 7)
  })

  it('leaves a gradient below the norm as it is, and every one where the norm is 0', () => {
    const start = [0, 0].map((): Scalar => ({ p: 1, m: 0, v: 0 }))
    const first = { ...settings, beta1: 0 }
    expect(update(first, start, [0.5, 0.25], 0.1, 1, [1, 1]).state.map(({ m }) => m)).toEqual([0.5, 0.25])
    const unclipped = { ...first, maxGradientNorm: 0 }
    expect(update(unclipped, start, [30, 40], 0.1, 1, [1, 1]).state.map(({ m }) => m)).toEqual([30, 40])
  })

  it('decays the weights apart from the gradient: by rate * decay, though the gradient is 0', () => {
    const start = [0, 0].map((): Scalar => ({ p: 2, m: 0, v: 0 }))
    const { state } = update(settings, start, [0, 0], 0.25, 1, [1, 0])
    expect(state[0]!.p).toBeCloseTo(2 * (1 - 0.25 * 0.1), 6)
    expect(state[1]!.p).toBe(2)
    expect(state[0]!.v).toBe(0)
  })

  it('moves nothing at rate 0, but its moments', () => {
    const { state } = update(settings, [{ p: 2, m: 0, v: 0 }], [0.5], 0, 1, [1])
    expect(state[0]!.p).toBe(2)
    expect(state[0]!.m).toBeGreaterThan(0)
    expect(state[0]!.v).toBeGreaterThan(0)
  })
})
