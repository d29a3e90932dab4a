import '@tensorflow/tfjs-backend-cpu'
import { beforeAll, describe, expect, it } from 'vitest'
import { createRandom, type SeededRandom } from '../../../lm/random.ts'
import { BufferPool } from '../../../lm/tensor/buffer-pool.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

function inUse() {
  return { tensors: tf.memory().numTensors, buffers: tf.backend().numDataIds() }
}

/** What is in use after the first step must be what is in use after the last. */
function expectSteady(steps: number, step: (index: number) => void): void {
  step(0)
  const before = inUse()
  for (let index = 1; index < steps; index++) step(index)
  expect(inUse()).toEqual(before)
}

describe('nothing is left behind', () => {
  const lossOf = (w: Tensor, x: Tensor) =>
    tf.mean(tf.neg(tf.sum(tf.mul(tf.logSoftmax(tf.matMul(x, w)), tf.softmax(x)), -1))) as tf.Scalar

  it('by 200 compiled training steps', () => {
    const step = jit(({ w, x, rate }: TensorMap) => {
      let kept: Tensor | undefined
      const { value, grad } = tf.valueAndGrad((w: Tensor) => {
        kept = tf.keep(tf.mean(w))
        return lossOf(w, x!)
      })(w!)
      return { w: tf.sub(w!, tf.mul(grad, rate!)), loss: value, mean: kept! }
    })
    let w: Tensor = tf.randomNormal([4, 4], 0, 1, 'float32', 1)
    const losses: number[] = []
    expectSteady(200, () => {
      const x = tf.randomNormal([3, 4], 0, 1, 'float32', 2)
      const rate = tf.scalar(0.1)
      const next = step({ w, x, rate })
      losses.push(next.loss.dataSync()[0]!)
      tf.dispose([w, x, rate, next.loss, next.mean])
      w = next.w
    })
    expect(losses.at(-1)!).toBeLessThan(losses[0]!)
    step.dispose()
  })

  it('by 200 training steps whose arguments are donated', () => {
    const step = jit(
      ({ w, x }: { w: Tensor; x: Tensor }) => {
        const { value, grad } = tf.valueAndGrad((w: Tensor) => lossOf(w, x))(w)
        return { w: tf.sub(w, tf.mul(grad, 0.1)), loss: value }
      },
      { donate: ['w', 'x'] },
    )
    const batch = () => tf.randomNormal([3, 4], 0, 1, 'float32', 2)
    let w: Tensor = tf.randomNormal([4, 4], 0, 1, 'float32', 1)
    const losses: number[] = []
    expectSteady(200, () => {
      const next = step({ w, x: batch() })
      losses.push(next.loss.dataSync()[0]!)
      next.loss.dispose()
      w = next.w
    })
    expect(losses.at(-1)!).toBeLessThan(losses[0]!)
    step.dispose()
  })

  it('by tracing for one shape after the other', () => {
    const fn = jit(({ x }: { x: Tensor }) => ({ y: tf.keep(tf.grad((x) => tf.sum(tf.square(x)))(x)) }))
    expectSteady(10, (index) => {
      const x = tf.ones([index + 1])
      tf.dispose([x, fn({ x }).y])
    })
    fn.dispose()
  })

  it('by 200 eager training steps', () => {
    const w = tf.variable(tf.randomNormal([4, 4], 0, 1, 'float32', 1))
    expectSteady(200, () => {
      tf.tidy(() => {
        const x = tf.randomNormal([3, 4], 0, 1, 'float32', 2)
        const { grads } = tf.variableGrads(() => lossOf(w, x), [w])
        w.assign(tf.sub(w, tf.mul(Object.values(grads)[0]!, 0.1)))
      })
    })
    w.dispose()
  })

  it('by kernels of more shapes than sessions are kept for', () => {
    const x = tf.range(0, 600)
    expectSteady(560, (index) => {
      tf.tidy(() => {
        expect(tf.slice(x, index, 2).dataSync()).toEqual(Float32Array.of(index, index + 1))
      })
    })
    expect(tf.tidy(() => tf.slice(x, 0, 2).dataSync())).toEqual(Float32Array.of(0, 1))
    x.dispose()
  })

  it('by tensors that move between backends', async () => {
    const before = inUse()
    const x = tf.tensor1d([1, 2])
    const y = tf.neg(x)
    await tf.setBackend('cpu')
    const z = tf.add(x, y)
    expect(Array.from(z.dataSync())).toEqual([0, 0])
    await tf.setBackend('onnx')
    const last = tf.sub(y, z)
    expect(Array.from(last.dataSync())).toEqual([-1, -2])
    tf.dispose([x, y, z, last])
    expect(inUse()).toEqual(before)
  })
})

describe('the memory of the process levels off', () => {
  const mebibyte = 2 ** 20

  /** Growth over the last three quarters of `steps`, in bytes: the first quarter fills pools and heaps. */
  function growth(steps: number, step: () => void): number {
    let level = 0
    for (let index = 0; index < steps; index++) {
      if (index === steps / 4) level = process.memoryUsage.rss()
      step()
    }
    return process.memoryUsage.rss() - level
  }

  it('over 200 training steps, 3 MB of results each', () => {
    const step = jit(
      ({ w, m, x }: { w: Tensor; m: Tensor; x: Tensor }) => {
        const { grad } = tf.valueAndGrad((w: Tensor) => tf.mean(tf.square(tf.matMul(x, w))) as tf.Scalar)(w)
        const next = tf.add(tf.mul(m, 0.9), grad)
        return { w: tf.sub(w, tf.mul(next, 0.01)), m: next, grad }
      },
      { donate: ['w', 'm', 'x'] },
    )
    let w: Tensor = tf.randomNormal([512, 512], 0, 0.1, 'float32', 1)
    let m: Tensor = tf.zeros([512, 512])
    const grown = growth(200, () => {
      const next = step({ w, m, x: tf.ones([8, 512]) })
      next.grad.dispose()
      w = next.w
      m = next.m
    })
    tf.dispose([w, m])
    step.dispose()
    expect(grown).toBeLessThan(64 * mebibyte)
  })

  it('over 200 graphs compiled and given up, a constant of half a megabyte in each', () => {
    const table = Float32Array.from({ length: 2 ** 17 }, (_, index) => index)
    const grown = growth(200, () => {
      // Equal graphs would share a session.
      table[0]!++
      const fn = jit(({ x }: { x: Tensor }) => ({ y: tf.sum(tf.mul(x, tf.tensor1d(table))) }))
      const x = tf.scalar(1)
      tf.dispose([x, fn({ x }).y])
      fn.dispose()
    })
    expect(grown).toBeLessThan(48 * mebibyte)
  })
})

/** A tensor and the numbers that it must hold for as long as it lives. */
interface Holder {
  tensor: Tensor
  readonly expected: readonly number[]
}

/**
 * A random program of a few sizes, so that buffers are handed out again and again: operations, aliases, compiled
 * calls, variables, arrays of the user's, disposals. Everything that is still held is compared all the time.
 */
class RandomProgram {
  readonly #random: SeededRandom
  readonly #live: Holder[] = []
  /** Arrays that tensors were made of, or that were read from tensors: the user's, never to be written to. */
  readonly #arrays: { readonly array: Float32Array; readonly expected: readonly number[] }[] = []
  readonly #compiled = jit(({ a, b }: { a: Tensor; b: Tensor }) => ({
    sum: tf.add(a, b),
    a,
    zeros: tf.zerosLike(a),
    view: tf.reshape(a, [-1]),
  }))

  constructor(seed: number) {
    this.#random = createRandom(seed)
  }

  run(steps: number): void {
    for (let step = 0; step < steps; step++) {
      this.#act()
      if (step % 8 === 0) this.#check()
    }
    this.#check()
    for (const { tensor } of this.#live) tensor.dispose()
    this.#compiled.dispose()
    for (const { array, expected } of this.#arrays) expect(Array.from(array)).toEqual(expected)
  }

  #act(): void {
    const action = this.#live.length === 0 ? 0 : this.#random.integer(0, 9)
    if (action === 0) this.#make()
    else if (action <= 3) this.#dispose(this.#random.choice(this.#live))
    else this.#compute(action, this.#random.choice(this.#live))
  }

  #compute(action: number, some: Holder): void {
    const partner = this.#live.find(({ expected }) => expected.length === some.expected.length)!
    const sum = some.expected.map((value, index) => Math.fround(value + partner.expected[index]!))
    const flat = [some.expected.length]
    if (action === 4) this.#hold(tf.reshape(some.tensor, flat), some.expected)
    else if (action === 5) this.#hold(tf.add(some.tensor, partner.tensor), sum)
    else if (action === 6) this.#read(some)
    else if (action === 7) this.#call(some, partner, sum)
    else if (action === 8) this.#assign(some, partner, sum)
    else this.#hold(tf.fill(flat, 3), new Array(flat[0]).fill(3))
  }

  #make(): void {
    const length = this.#random.choice([1, 4, 4, 9])
    const array = Float32Array.from({ length }, () => this.#random.integer(-99, 99))
    this.#arrays.push({ array, expected: Array.from(array) })
    this.#hold(tf.tensor1d(array), Array.from(array))
  }

  #hold(tensor: Tensor, expected: readonly number[]): void {
    this.#live.push({ tensor, expected })
  }

  #dispose(holder: Holder): void {
    holder.tensor.dispose()
    this.#live.splice(this.#live.indexOf(holder), 1)
  }

  #read({ tensor, expected }: Holder): void {
    this.#arrays.push({ array: tensor.dataSync() as Float32Array, expected })
  }

  #call(some: Holder, partner: Holder, sum: readonly number[]): void {
    const flat = (tensor: Tensor) => tf.reshape(tensor, [-1])
    const [a, b] = [flat(some.tensor), flat(partner.tensor)]
    const results = this.#compiled({ a, b })
    tf.dispose([a, b])
    this.#hold(results.sum, sum)
    this.#hold(results.a, some.expected)
    this.#hold(results.view, some.expected)
    this.#hold(
      results.zeros,
      sum.map(() => 0),
    )
  }

  /** The variable drops the buffer that it shared and shares another. */
  #assign(some: Holder, partner: Holder, sum: readonly number[]): void {
    const flat = (tensor: Tensor) => tf.reshape(tensor, [-1])
    tf.tidy(() => {
      const variable = tf.keep(tf.variable(flat(some.tensor)))
      variable.assign(tf.add(flat(some.tensor), flat(partner.tensor)))
      this.#hold(variable, sum)
    })
  }

  #check(): void {
    for (const { tensor, expected } of this.#live) expect(Array.from(tensor.dataSync())).toEqual(expected)
  }
}

describe('a buffer that somebody holds is never handed out again', () => {
  it.each([1, 2, 3, 4])('random program %i', (seed) => {
    const before = inUse()
    new RandomProgram(seed).run(400)
    expect(inUse()).toEqual(before)
  })
})

describe('the pool', () => {
  it('hands out what it was given, by type and length', () => {
    const pool = new BufferPool()
    const floats = pool.take('float32', 4)
    const integers = pool.take('int32', 4)
    pool.give('float32', floats)
    pool.give('int32', integers)
    expect(pool.bytes).toBe(32)
    expect(pool.take('float32', 5)).not.toBe(floats)
    expect(pool.take('int32', 4)).toBe(integers)
    expect(pool.take('float32', 4)).toBe(floats)
    expect(pool.take('float32', 4)).not.toBe(floats)
    expect(pool.bytes).toBe(0)
  })

  it('lets go of the sizes that were not asked for longest', () => {
    const pool = new BufferPool(100)
    const [old, recent, large] = [10, 11, 12].map((length) => pool.take('float32', length))
    pool.give('float32', old!)
    pool.give('float32', recent!)
    pool.give('float32', pool.take('float32', 10))
    pool.give('float32', large!)
    expect(pool.bytes).toBe(88)
    expect(pool.take('float32', 11)).not.toBe(recent)
    expect(pool.take('float32', 10)).toBe(old)
  })

  it('keeps a size larger than its limit for as long as it is used', () => {
    const pool = new BufferPool(100)
    const [p, m] = [pool.take('float32', 1000), pool.take('float32', 1000)]
    pool.give('float32', p)
    pool.give('float32', m)
    expect(new Set([pool.take('float32', 1000), pool.take('float32', 1000)])).toEqual(new Set([p, m]))
    pool.give('float32', p)
    pool.give('float32', pool.take('float32', 1))
    expect(pool.bytes).toBe(4)
  })
})
