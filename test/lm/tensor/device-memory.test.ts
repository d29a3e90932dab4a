/** @file What goes to and fro between the host and a device with memory of its own, by a software Vulkan driver. */
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { startDevice } from '../../../lm/tensor/device.ts'
import { DeviceMemory } from '../../../lm/tensor/device-memory.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { openSoftwareVulkan } from './software-vulkan.ts'

const missing = openSoftwareVulkan()
if (missing !== undefined) console.warn(`memory of a device is not tested: ${missing}`)

// They only look on.
const upload = vi.spyOn(DeviceMemory.prototype, 'upload')
const download = vi.spyOn(DeviceMemory.prototype, 'download')
const copies = () => ({ up: upload.mock.calls.length, down: download.mock.calls.length })

describe.skipIf(missing !== undefined)('on WebGPU', () => {
  beforeAll(() => startDevice('webgpu', 1))
  afterEach(() => {
    upload.mockClear()
    download.mockClear()
  })

  it('weights go up once; results stay until they are read, and come down once', () => {
    const weights = tf.tensor2d([1, 2, 3, 4], [2, 2])
    const step = jit(({ x }: { x: Tensor }) => ({ y: tf.matMul(x, weights) }))
    let x: Tensor = tf.tensor2d([1, 0, 0, 1], [2, 2])
    for (let call = 0; call < 4; call++) {
      const { y } = step({ x })
      x.dispose()
      x = y
    }
    expect(copies()).toEqual({ up: 1, down: 0 })
    const read = () => Array.from(x.dataSync())
    expect([read(), read()]).toEqual([
      [199, 290, 435, 634],
      [199, 290, 435, 634],
    ])
    expect(copies()).toEqual({ up: 1, down: 1 })
    tf.dispose([x, weights])
    step.dispose()
  })

  it('an argument goes up when it is read for the second time', () => {
    const negative = jit(({ x }: { x: Tensor }) => ({ y: tf.neg(x) }))
    const x = tf.tensor1d([1, 2])
    const results = [1, 2, 3].map(() => negative({ x }).y)
    expect(copies()).toEqual({ up: 1, down: 0 })
    expect(results.map((y) => Array.from(y.dataSync()))).toEqual([
      [-1, -2],
      [-1, -2],
      [-1, -2],
    ])
    tf.dispose([x, ...results])
    negative.dispose()
  })

  it('operators one by one leave their results there, too', () => {
    const sum = tf.tidy(() => tf.sum(tf.mul(tf.add(tf.tensor1d([1, 2, 3]), 1), 2)))
    expect(copies()).toEqual({ up: 0, down: 0 })
    expect(Array.from(sum.dataSync())).toEqual([18])
    sum.dispose()
  })

  it('truth values, tensors without elements and a changed shape are what they are', () => {
    const program = jit(({ x }: { x: Tensor }) => ({
      positive: tf.greater(x, 0),
      none: tf.slice(x, [0], [0]),
      square: tf.square(x),
    }))
    const x = tf.tensor1d([-1, 2, -3, 4])
    const { positive, none, square } = program({ x })
    const turned = tf.transpose(tf.reshape(square, [2, 2]))
    const all = [positive, none, square, turned]
    expect(all.map((tensor) => Array.from(tensor.dataSync()))).toEqual([
      [0, 1, 0, 1],
      [],
      [1, 4, 9, 16],
      [1, 9, 4, 16],
    ])
    tf.dispose([x, ...all])
    program.dispose()
  })

  it('a result outlives the function that computed it', () => {
    const program = jit(({ x }: { x: Tensor }) => ({ y: tf.add(x, 1), z: tf.mul(x, 2) }))
    const x = tf.tensor1d([1, 2])
    const { y, z } = program({ x })
    program.dispose()
    const sum = tf.add(y, z)
    expect([y, z, sum].map((tensor) => Array.from(tensor.dataSync()))).toEqual([
      [2, 3],
      [2, 4],
      [4, 7],
    ])
    tf.dispose([x, y, z, sum])
  })

  it('200 steps of a megabyte each leave no megabytes', () => {
    const step = jit(({ p, g }: TensorMap) => ({ p: tf.sub(p!, tf.mul(g!, 0.5)) }))
    const g = tf.ones([2 ** 18])
    let p: Tensor = tf.zeros([2 ** 18])
    // The driver's memory is that of the process.
    const run = (steps: number) => {
      for (let each = 0; each < steps; each++) {
        const next = step({ p, g }).p!
        p.dispose()
        p = next
      }
      return p.dataSync()[0]
    }
    expect(run(20)).toBe(-10)
    const before = process.memoryUsage().rss
    expect(run(200)).toBe(-110)
    expect(process.memoryUsage().rss - before).toBeLessThan(50 * 2 ** 20)
    tf.dispose([p, g])
    step.dispose()
  })
})
