/** @file Greedy choice in the graph. */
import { expect, it } from 'vitest'
import { DecodingSteps } from '../../../lm/generate/steps.ts'
import type { DecoderParameters } from '../../../lm/model/decoder.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { loadReferenceModel } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

it('takes the highest score, of equals the lowest id, with its log-probability under the plain softmax', async () => {
  await startOnnxBackend()
  const { config } = loadReferenceModel('qwen2')
  const scores = [
    [0.5, 2, -1, 1.25, 2, 0],
    [3, 3, 3, 3, 3, 3],
    [-5, -2, -2, -9, -3, -4],
  ]
  // The hidden states pick a row each of the scores.
  const output = tf.transpose(tf.tensor2d(scores))
  const parameters: DecoderParameters = {
    config: { ...config, tiedEmbeddings: false, vocabularySize: 6, hiddenSize: 3 },
    weights: { 'lm_head.weight': output },
  }
  const steps = new DecodingSteps(parameters, 'fp32')
  const { ids, logps } = steps.greedy(tf.eye(3))
  expect([...ids]).toEqual([1, 0, 1])
  scores.forEach((row, index) => {
    const sum = row.reduce((total, score) => total + Math.exp(score - Math.max(...row)), 0)
    expect(logps[index]).toBeCloseTo(-Math.log(sum), 5)
  })
  steps.dispose()
})
