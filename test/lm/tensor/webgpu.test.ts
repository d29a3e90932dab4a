/** @file The contract suite on WebGPU, by a software Vulkan driver. No operator may fall back to the CPU: sessions forbid it. */
import { describe, it } from 'vitest'
import { startDevice } from '../../../lm/tensor/device.ts'
import { kernelCases } from './cases/index.ts'
import { useSoftwareVulkan } from './software-vulkan.ts'
import { contractSuite } from './suite.ts'

const undefinedInWgsl = 'WGSL leaves NaN, infinities and what is outside of a domain to the driver'

const except = Object.fromEntries(
  kernelCases
    .map(({ kernel, title }) => `${kernel}: ${title}`)
    .filter((key) =>
      /NaN|infinit|: open (above|below)$|a negative base|zero and below|at and below -1/.test(key),
    )
    .map((key) => [key, undefinedInWgsl]),
)

const missing = useSoftwareVulkan()

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
