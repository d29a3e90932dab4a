/** @file Equal graphs share a session, and only equal ones. */
import { beforeAll, expect, it } from 'vitest'
import { compilations, describeCompilations } from '../../../lm/tensor/compilations.ts'
import { startDevice } from '../../../lm/tensor/device.ts'
import { type Jitted, jit } from '../../../lm/tensor/jit.ts'
import { setThreads } from '../../../lm/tensor/session.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'

beforeAll(() => startDevice('cpu', 1))

const scaledBy = (factor: number) => jit(({ x }: { x: Tensor }) => ({ y: tf.mul(x, factor) }))

/** The factor, as the function tells, and whether its graph was there already. */
function ask(fn: Jitted<{ x: Tensor }, TensorMap>): [number, boolean] {
  const x = tf.tensor1d([1, 1, 1])
  const { y } = fn({ x })
  const [value] = y!.dataSync()
  tf.dispose([x, y!])
  return [value!, compilations().at(-1)!.reused]
}

it('a function made anew has the session of the one before, disposed or not', () => {
  const [first, second] = [scaledBy(2), scaledBy(2)]
  expect(ask(first)).toEqual([2, false])
  expect(ask(second)).toEqual([2, true])
  expect(compilations().at(-1)!.buildingMs).toBe(0)
  first.dispose()
  expect(ask(second)).toEqual([2, true])
  second.dispose()
  const third = scaledBy(2)
  expect(ask(third)).toEqual([2, true])
  third.dispose()
  expect(describeCompilations()).toMatch(
    /^compiled 3 graphs in .*, 2 of them equal to earlier ones and not built$/,
  )
})

it('another constant, or another number of threads, has its own', () => {
  const other = scaledBy(3)
  expect(ask(other)).toEqual([3, false])
  setThreads(2)
  const wider = scaledBy(3)
  expect(ask(wider)).toEqual([3, false])
  setThreads(1)
  for (const fn of [other, wider]) fn.dispose()
})

it('a closed-over tensor is read anew', () => {
  const times = (factor: Tensor) => jit(({ x }: { x: Tensor }) => ({ y: tf.mul(x, factor) }))
  const factors = [5, 7].map((value) => tf.scalar(value))
  const [five, seven] = factors.map(times)
  expect(ask(five!)).toEqual([5, false])
  expect(ask(seven!)).toEqual([7, true])
  expect(ask(five!)[0]).toBe(5)
  tf.dispose(factors)
  for (const fn of [five!, seven!]) fn.dispose()
})

it('of unused ones those used last are kept, up to three megabytes', () => {
  /** A graph of 0.9 MB. */
  const large = (constant: number) => {
    const table = Float32Array.from({ length: 225_000 }, (_, index) => (index === 0 ? constant : 1 / index))
    return jit(({ x }: { x: Tensor }) => ({ y: tf.mul(x, tf.slice(tf.tensor1d(table), [0], [3])) }))
  }
  const use = (constant: number) => {
    const fn = large(constant)
    const [value, reused] = ask(fn)
    fn.dispose()
    expect(value).toBe(constant)
    return reused
  }
  const held = large(1)
  ask(held)
  expect([2, 3, 4].map(use)).toEqual([false, false, false])
  expect([2, 3, 4].map(use)).toEqual([true, true, true])
  expect(use(5)).toBe(false)
  expect([3, 4, 5].map(use)).toEqual([true, true, true])
  expect(use(2)).toBe(false)
  const again = large(1)
  expect(ask(again)).toEqual([1, true])
  for (const fn of [held, again]) fn.dispose()
})
