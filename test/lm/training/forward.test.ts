import { beforeAll, describe, expect, it } from 'vitest'
import { tokenBatch } from '../../../lm/batches/token-batch.ts'
import { upload } from '../../../lm/tensor/host-tensor.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { scoreLabels } from '../../../lm/training/forward.ts'
import { type LogitsReference, loadReferenceModel, readReference } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

describe('what the model says of each label', () => {
  const { input_ids, models } = readReference<LogitsReference>('logits.json')
  const ids = input_ids[0]!
  const rows = models.qwen2!.logits[0]!

  it.each([1, 0.7])('at temperature %d', (temperature) => {
    const parameters = loadReferenceModel('qwen2')
    const { arrays } = tokenBatch([{ ids, weights: ids.map(() => 1) }], {
      config: parameters.config,
      sharing: true,
    })
    const run = jit((batch: TensorMap) => {
      const { logps, entropy, logSumSquares, meanScore } = scoreLabels(parameters, batch, temperature)
      return { logps, entropy, squares: logSumSquares(), mean: meanScore() }
    })
    const ours = run(upload(arrays))
    ids.slice(1).forEach((label, position) => {
      const scores = rows[position]!.map((score) => score / temperature)
      const total = Math.log(scores.reduce((sum, score) => sum + Math.exp(score), 0))
      const logps = scores.map((score) => score - total)
      const of = (name: keyof typeof ours) => ours[name]!.dataSync()[position]!
      expect(of('logps')).toBeCloseTo(logps[label]!, 4)
      expect(of('entropy')).toBeCloseTo(-logps.reduce((sum, logp) => sum + Math.exp(logp) * logp, 0), 4)
      const squares = logps.reduce((sum, logp) => sum + Math.exp(2 * logp), 0)
      expect(of('squares')).toBeCloseTo(Math.log(squares), 4)
      expect(of('mean')).toBeCloseTo(scores.reduce((sum, score) => sum + score, 0) / scores.length, 4)
    })
    run.dispose()
    tf.dispose(ours)
  })
})
