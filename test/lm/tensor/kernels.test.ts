import { expect, it } from 'vitest'
import { startDevice } from '../../../lm/tensor/device.ts'
import { lowerings } from '../../../lm/tensor/lowerings/index.ts'
import { kernelCases } from './cases/index.ts'
import { contractSuite } from './suite.ts'

contractSuite({
  name: 'ONNX Runtime on the CPU',
  start: () => startDevice('cpu', 2),
  modes: ['eager', 'traced'],
})

it('every lowering has a case', () => {
  const covered = new Set(kernelCases.map((row) => row.kernel))
  expect(Object.keys(lowerings).filter((kernel) => !covered.has(kernel))).toEqual([])
})
