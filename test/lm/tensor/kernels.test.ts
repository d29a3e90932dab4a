import { expect, it } from 'vitest'
import { startDevice } from '../../../lm/tensor/device.ts'
import { lowerings } from '../../../lm/tensor/lowerings/index.ts'
import { rmsNormalisation } from '../../../lm/tensor/lowerings/normalisation.ts'
import { quantisedProduct } from '../../../lm/tensor/lowerings/quantised-product.ts'
import { kernelCases } from './cases/index.ts'
import { contractSuite } from './suite.ts'

contractSuite({
  name: 'ONNX Runtime on the CPU',
  start: () => startDevice('cpu', 2),
  modes: ['eager', 'traced'],
})

/** Of the CPU alone, and without gradients: `rms-normalisation.test.ts` and `quantised-product.test.ts` test them. */
const decodingOnly = [rmsNormalisation, quantisedProduct]

it('every lowering has a case', () => {
  const covered = new Set([...kernelCases.map((row) => row.kernel), ...decodingOnly])
  expect(Object.keys(lowerings).filter((kernel) => !covered.has(kernel))).toEqual([])
})
