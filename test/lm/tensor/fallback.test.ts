/** @file Kernels, types and attributes that no lowering computes: TensorFlow.js's own backend does, or nobody. */
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { startDevice } from '../../../lm/tensor/device.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { type Tensor, tf } from '../../../lm/tensor/tf.ts'

beforeAll(() => startDevice('cpu', 1))

/** What `run` gives, and what is said on the way. */
function listen<T>(run: () => T): { result: T; said: string[] } {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  try {
    const result = run()
    return { result, said: warn.mock.calls.map(([text]) => String(text)) }
  } finally {
    warn.mockRestore()
  }
}

const numbers = (tensor: Tensor) => Array.from(tensor.dataSync())

describe('eager', () => {
  it('a kernel without a lowering runs on the cpu backend and says so once', () => {
    const before = tf.memory().numTensors
    const run = () => tf.tidy(() => numbers(tf.add(tf.diag(tf.neg(tf.tensor1d([1, 2]))), 1)))
    const first = listen(run)
    expect(first.result).toEqual([0, 1, 1, -1])
    expect(first.said).toEqual([
      'the TensorFlow.js kernel `Diag` has no lowering: TensorFlow.js computes it itself, slowly',
    ])
    expect(listen(run)).toEqual({ result: [0, 1, 1, -1], said: [] })
    expect(tf.memory().numTensors).toBe(before)
  })

  it('several results, and int32 among them', () => {
    const { result, said } = listen(() =>
      tf.tidy(() => Object.values(tf.unique(tf.tensor1d([3, 1, 3], 'int32'))).map(numbers)),
    )
    expect(result).toEqual([
      [3, 1],
      [0, 1, 0],
    ])
    expect(said).toHaveLength(1)
    expect(said[0]).toContain('`Unique`')
  })

  it('a type that a lowering does not take', () => {
    const truths = tf.tensor1d([true, false, true])
    const { result, said } = listen(() => numbers(tf.addN([truths, truths])))
    expect(result).toEqual([2, 0, 2])
    expect(said).toEqual([
      'the TensorFlow.js kernel `AddN` has no lowering for tensors of type bool: TensorFlow.js computes it itself, slowly',
    ])
  })

  it('an attribute that a lowering does not take', () => {
    const { result, said } = listen(() =>
      numbers(tf.mirrorPad(tf.tensor1d([1, 2, 3]), [[2, 1]], 'symmetric')),
    )
    expect(result).toEqual([2, 1, 1, 2, 3, 3])
    expect(said[0]).toContain('`MirrorPad` has no lowering for the mode `symmetric`')
  })

  it('a kernel that nobody computes is an error', () => {
    expect(() => tf.complex([1], [2])).toThrow('no tensors of type complex64 on this backend')
  })
})

describe('traced: an error that names the kernel and the line', () => {
  const refusal = (fn: (x: Tensor) => Tensor) => () =>
    jit(({ x }: { x: Tensor }) => ({ y: fn(x) }))({ x: tf.tensor1d([1, 2]) })

  it('a kernel without a lowering', () => {
    const { line } = here()
    const call = refusal((x) => tf.mul(tf.diag(x), 2))
    expect(call).toThrow(
      `the TensorFlow.js kernel \`Diag\` has no lowering (test/lm/tensor/fallback.test.ts:${line + 1}): ` +
        'compute it from other operations, or outside of the traced function',
    )
    expect(call).toThrow(expect.objectContaining({ code: 'untraceable' }))
  })

  it('a type', () => {
    const { line } = here()
    const call = refusal((x) => tf.neg(tf.greater(x, 1)))
    expect(call).toThrow(
      `\`Neg\` has no lowering for tensors of type bool (test/lm/tensor/fallback.test.ts:${line + 1})`,
    )
  })

  it('inside a gradient', () => {
    const { line } = here()
    const call = refusal((x) => tf.grad((x: Tensor) => tf.sum(tf.cumprod(x)))(x))
    expect(call).toThrow(`\`Cumprod\` has no lowering (test/lm/tensor/fallback.test.ts:${line + 1})`)
  })

  it('a tensor whose numbers are read', () => {
    const { line } = here()
    const call = refusal((x) => tf.mul(x, tf.sum(x).dataSync()[0]!))
    expect(call).toThrow(
      `a traced function must not read a tensor's numbers (test/lm/tensor/fallback.test.ts:${line + 1}): ` +
        'they exist only when it runs',
    )
  })
})

function here(): { line: number } {
  const [, line] = /fallback\.test\.ts:(\d+)/.exec(new Error().stack!.split('\n')[2]!)!
  return { line: Number(line) }
}
