import { beforeAll, describe, expect, it } from 'vitest'
import { attentionArrays } from '../../lm/batches/causal-arrays.ts'
import { type AttentionInputs, maskedAttention } from '../../lm/model/attention.ts'
import type { DecoderConfig } from '../../lm/model/config.ts'
import { createRandom } from '../../lm/random.ts'
import { jit } from '../../lm/tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../../lm/tensor/tf.ts'
import { startOnnxBackend } from './start-onnx-backend.ts'

beforeAll(startOnnxBackend)

const [batch, heads, keyValueHeads, headSize] = [2, 4, 2, 8]
const groups = heads / keyValueHeads
const config = {
  heads,
  keyValueHeads,
  queryScale: headSize ** -0.5,
  headSize,
  layerKinds: ['full'],
  rotary: { full: { theta: 10_000 } },
} as unknown as DecoderConfig

/** The whole square of scores at once, differentiated by tfjs. */
function plainAttention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor, length: number): Tensor {
  const scores = tf.mul(tf.matMul(q, k, false, true), config.queryScale)
  const square = tf.reshape(mask, [1, 1, length, length])
  const visible = tf.add(tf.reshape(scores, [batch, heads, length, length]), square)
  return tf.matMul(tf.reshape(tf.softmax(visible), scores.shape), v)
}

describe('attention within rows', () => {
  it.each([
    { spans: 1, span: 7, keepWeights: true },
    { spans: 1, span: 40, keepWeights: false },
    { spans: 2, span: 150, keepWeights: true },
    { spans: 2, span: 256, keepWeights: false },
    { spans: 4, span: 175, keepWeights: false },
  ])('of $spans spans of $span tokens: values and gradients', ({ spans, span, keepWeights }) => {
    const length = spans * span
    const random = createRandom(`attention ${length}`)
    const draw = (shape: number[]) =>
      tf.tensor(
        Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.next() - 0.5),
        shape,
      )
    const q = draw([batch * keyValueHeads, groups * length, headSize])
    const [k, v] = [
      draw([batch * keyValueHeads, length, headSize]),
      draw([batch * keyValueHeads, length, headSize]),
    ]
    const dy = draw(q.shape)
    // Two sequences: the second begins where a third of the row is full.
    const places = Int32Array.from({ length }, (_, place) => place)
    const cut = Math.floor(length / 3)
    const shape = { rows: 1, length, querySpans: spans }
    const arrays = attentionArrays(config, shape, [places.subarray(0, cut), places.subarray(cut)])
    const mask = tf.tensor(arrays['mask.full']!.data, arrays['mask.full']!.shape)
    const gradientsOf = (attend: (q: Tensor, k: Tensor, v: Tensor, mask: Tensor) => Tensor) =>
      jit(({ q, k, v, mask, dy }: TensorMap) => {
        const { value, grads } = tf.valueAndGrads((...[q, k, v]: Tensor[]) => attend(q!, k!, v!, mask!))(
          [q!, k!, v!],
          dy,
        )
        return { value, q: grads[0]!, k: grads[1]!, v: grads[2]! }
      })({ q, k, v, mask, dy })
    const ours = gradientsOf((q, k, v, mask) =>
      maskedAttention(
        config,
        { rows: batch, spans, span },
        { full: { mask } as AttentionInputs },
        keepWeights,
      )(0, q, k, v),
    )
    const theirs = gradientsOf((q, k, v, mask) => plainAttention(q, k, v, mask, length))
    for (const name of ['value', 'q', 'k', 'v'] as const) {
      const expected = Array.from(theirs[name].dataSync())
      const scale = expected.reduce((most, each) => Math.max(most, Math.abs(each)), 0)
      const worst = Array.from(ours[name].dataSync()).reduce(
        (most, each, index) => Math.max(most, Math.abs(each - expected[index]!)),
        0,
      )
      expect(worst / scale, name).toBeLessThan(2e-6)
    }
  })
})
