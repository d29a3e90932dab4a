/** @file The contract suite on WebGPU, by a software Vulkan driver. No operator may fall back to the CPU: sessions forbid it. */
import { describe, it } from 'vitest'
import { startDevice } from '../../../lm/tensor/device.ts'
import { kernelCases } from './cases/index.ts'
import { openSoftwareVulkan } from './software-vulkan.ts'
import { contractSuite } from './suite.ts'

const missingKernels = ['IsNan', 'IsInf', 'IsFinite', 'Acos', 'Mod', 'TopK']
const missingThere = 'WebGPU lacks it: the eager mode computes it on the cpu backend, tracing refuses it'
const undefinedThere = 'WGSL leaves NaN, infinities and what is outside of a domain to the driver'

const undefinedCases = kernelCases
  .filter(({ kernel }) => !missingKernels.includes(kernel))
  .map(({ kernel, title }) => `${kernel}: ${title}`)
  .filter((key) => /NaN|infinit|: open (above|below)$|negative base|zero and below|at and below -1/.test(key))

const except = {
  ...Object.fromEntries(missingKernels.map((kernel) => [kernel, missingThere])),
  ...Object.fromEntries(undefinedCases.map((key) => [key, undefinedThere])),
}

const missing = openSoftwareVulkan()

if (missing === undefined) {
  contractSuite({
    name: 'ONNX Runtime on WebGPU',
    start: () => startDevice('webgpu', 1),
    modes: ['eager', 'traced'],
    except,
  })
} else {
  console.warn(`WebGPU is not tested: ${missing}`)
  describe.skip(`ONNX Runtime on WebGPU: ${missing}`, () => {
    it('passes the contract suite', () => {})
  })
}
