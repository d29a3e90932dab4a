import '@tensorflow/tfjs-backend-cpu'
import { beforeAll, describe, expect, it } from 'vitest'
import { jit } from '../../../lm/tensor/jit.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

const numbers = (tensor: tf.Tensor) => Array.from(tensor.dataSync())

describe('jit', () => {
  it('compiles a function once a shape and gives what eager gives', () => {
    const fn = jit(({ x, y }: { x: tf.Tensor; y: tf.Tensor }) => ({ z: tf.add(tf.mul(x, 2), y) }))
    const x = tf.tensor1d([1, 2, 3])
    const y = tf.tensor1d([10, 20, 30])
    expect(numbers(fn({ x, y }).z)).toEqual([12, 24, 36])
    expect(numbers(fn({ x: y, y: x }).z)).toEqual([21, 42, 63])
    expect(fn.traces).toBe(1)
    expect(numbers(fn({ x: tf.tensor1d([1]), y: tf.tensor1d([1]) }).z)).toEqual([3])
    expect(fn.traces).toBe(2)
  })

  it('leaves sizes open: one graph serves sums and multiples of them, and constants are laid out in it', () => {
    const matrix = tf.randomNormal([6, 500, 100], 0, 1, 'float32', 3)
    const fn = jit(
      ({ x, y }: { x: tf.Tensor; y: tf.Tensor }) => {
        const rows = tf.concat([x, y], 0)
        const [first, second] = tf.split(rows, [x.shape[0]!, y.shape[0]!], 0) as [tf.Tensor, tf.Tensor]
        const threefold = tf.reshape(tf.concat([x, x, x], 1), [3 * x.shape[0]!, 6])
        const swapped = tf.transpose(tf.reshape(rows, [-1, 2, 3]), [1, 0, 2])
        return {
          threefold: tf.add(threefold, tf.zerosLike(threefold)),
          sum: tf.add(tf.sum(first), tf.sum(second)),
          swapped: tf.reshape(swapped, [rows.shape[0]! * 2, 3]),
          product: tf.matMul(rows, tf.reshape(matrix, [6, 50_000])),
        }
      },
      { openSizes: { x: ['here', null], y: ['there', null] }, constants: new Set([matrix]) },
    )
    for (const [here, there] of [
      [1, 4],
      [5, 2],
      [20, 1],
    ] as const) {
      const [x, y] = [tf.randomNormal([here, 6]), tf.randomNormal([there, 6])]
      const { threefold, sum, swapped, product } = fn({ x, y })
      const rows = tf.concat([x, y], 0)
      expect(threefold.shape).toEqual([3 * here, 6])
      expect(numbers(threefold)).toEqual(numbers(tf.concat([x, x, x], 1)))
      expect(numbers(sum)[0]).toBeCloseTo(numbers(tf.sum(rows))[0]!, 3)
      expect(numbers(swapped)).toEqual(numbers(tf.transpose(tf.reshape(rows, [-1, 2, 3]), [1, 0, 2])))
      expect(product.shape).toEqual([here + there, 50_000])
      const expected = numbers(tf.matMul(rows, tf.reshape(matrix, [6, 50_000])))
      expect(
        Math.max(
          ...numbers(product)
            .slice(0, 1000)
            .map((each, at) => Math.abs(each - expected[at]!)),
        ),
      ).toBeLessThan(1e-5)
    }
    expect(fn.traces).toBe(1)
  })

  it('keeps apart arguments that share a buffer when traced', () => {
    const fn = jit(({ x, y }: { x: tf.Tensor; y: tf.Tensor }) => ({ z: tf.sub(x, y) }))
    const same = tf.tensor1d([5])
    expect(numbers(fn({ x: same, y: same }).z)).toEqual([0])
    expect(numbers(fn({ x: tf.tensor1d([7]), y: tf.tensor1d([4]) }).z)).toEqual([3])
  })

  it('reads tensors that it closes over anew at each call', () => {
    const weight = tf.variable(tf.tensor1d([1, 2]))
    const fn = jit(({ x }: { x: tf.Tensor }) => ({ y: tf.sum(tf.mul(x, weight)) }))
    expect(numbers(fn({ x: tf.tensor1d([1, 1]) }).y)).toEqual([3])
    weight.assign(tf.tensor1d([10, 20]))
    expect(numbers(fn({ x: tf.tensor1d([1, 1]) }).y)).toEqual([30])
  })

  it('traces gradients', () => {
    const fn = jit(({ w, x }: { w: tf.Tensor; x: tf.Tensor }) => {
      const { value, grad } = tf.valueAndGrad((weight: tf.Tensor) => {
        return tf.mean(tf.square(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D))) as tf.Scalar
      })(w)
      return { value, grad }
    })
    const { value, grad } = fn({ w: tf.tensor2d([1, 2], [2, 1]), x: tf.tensor2d([1, 0, 0, 1], [2, 2]) })
    expect(numbers(value)).toEqual([2.5])
    expect(numbers(grad)).toEqual([1, 2])
  })

  it('refuses to read numbers while tracing', () => {
    const fn = jit(({ x }: { x: tf.Tensor }) => ({ y: tf.mul(x, tf.sum(x).dataSync()[0]!) }))
    expect(() => fn({ x: tf.tensor1d([1, 2]) })).toThrow(/must not read a tensor's numbers/)
    expect(numbers(tf.add(1, 2))).toEqual([3])
  })

  it('returns an argument, a constant and one value under two names', () => {
    const fn = jit(({ x }: { x: tf.Tensor }) => {
      const y = tf.add(x, 1)
      return { x, constant: tf.ones([2, 2]), y, again: y }
    })
    const out = fn({ x: tf.tensor1d([4]) })
    expect([out.x, out.constant, out.y, out.again].map(numbers)).toEqual([[4], [1, 1, 1, 1], [5], [5]])
  })

  it('keeps a variable apart from the tensor that it was made of', () => {
    const initial = tf.tensor1d([1, 2])
    const weight = tf.variable(initial)
    const fn = jit(({ x }: { x: tf.Tensor }) => ({ y: tf.mul(x, tf.sub(weight, initial)) }))
    expect(numbers(fn({ x: tf.tensor1d([1, 1]) }).y)).toEqual([0, 0])
    weight.assign(tf.tensor1d([5, 7]))
    expect(numbers(fn({ x: tf.tensor1d([1, 1]) }).y)).toEqual([4, 5])
  })

  it('makes a compiled function part of the function that calls it', () => {
    const inner = jit(({ x }: { x: tf.Tensor }) => ({ x, y: tf.square(x) }))
    const outer = jit(({ x }: { x: tf.Tensor }) => ({ z: tf.add(inner({ x }).y, inner({ x }).x) }))
    expect(numbers(outer({ x: tf.tensor1d([3]) }).z)).toEqual([12])
    expect(inner.traces).toBe(0)
  })

  it('takes over the arguments that it is told are donated, once it has returned', () => {
    const fn = jit(({ x, y }: { x: tf.Tensor; y: tf.Tensor }) => ({ x, sum: tf.add(x, y) }), {
      donate: ['x'],
    })
    const x = tf.tensor1d([1, 2])
    const shared = tf.reshape(x, [2])
    const y = tf.tensor1d([10, 20])
    const out = fn({ x, y })
    expect([x.isDisposed, y.isDisposed]).toEqual([true, false])
    expect([out.x, out.sum, shared, y].map(numbers)).toEqual([
      [1, 2],
      [11, 22],
      [1, 2],
      [10, 20],
    ])
    expect(() => fn({ x, y })).toThrow(/reads a tensor of shape \[2\] that has been disposed/)
    expect(y.isDisposed).toBe(false)
  })

  it('gives what was donated to the next call that needs its size, never to the one that reads it', () => {
    const next = jit(({ x }: { x: tf.Tensor }) => ({ x: tf.add(tf.reverse(x), x) }), { donate: ['x'] })
    const start = [1, 2, 3, 4, 5]
    let x: tf.Tensor = tf.tensor1d(start)
    let expected = start
    for (let step = 0; step < 12; step++) {
      x = next({ x }).x
      expected = expected.map((value, index) => value + expected[expected.length - 1 - index]!)
      expect(numbers(x)).toEqual(expected)
    }
  })

  it('donates on another backend and inside another traced function, too', async () => {
    const inner = jit(({ x }: { x: tf.Tensor }) => ({ y: tf.square(x) }), { donate: ['x'] })
    const outer = jit(({ x }: { x: tf.Tensor }) => ({ z: tf.neg(inner({ x: tf.add(x, 1) }).y) }))
    expect(numbers(outer({ x: tf.tensor1d([2]) }).z)).toEqual([-9])
    await tf.setBackend('cpu')
    try {
      const x = tf.tensor1d([3])
      expect(numbers(inner({ x }).y)).toEqual([9])
      expect(x.isDisposed).toBe(true)
    } finally {
      await tf.setBackend('onnx')
    }
  })

  it('is differentiated like any function', () => {
    const square = jit(({ x }: { x: tf.Tensor }) => ({ y: tf.square(x) }))
    const gradient = tf.grad((x: tf.Tensor) => tf.sum(square({ x }).y))
    expect(numbers(gradient(tf.tensor1d([3, 4])))).toEqual([6, 8])
  })

  it('takes int32 and bool, scalars and empty tensors, and arrays that begin inside their memory', () => {
    const fn = jit(({ i, b, s, e, v }: { [name: string]: tf.Tensor }) => ({
      i: tf.add(i!, 1),
      b: tf.logicalNot(b!),
      s: tf.mul(s!, 2),
      e: tf.neg(e!),
      v: tf.neg(v!),
    }))
    const out = fn({
      i: tf.tensor1d([1, 2], 'int32'),
      b: tf.tensor1d([true, false], 'bool'),
      s: tf.scalar(4),
      e: tf.tensor2d([], [0, 3]),
      v: tf.tensor1d(Float32Array.of(9, 1, 2, 9).subarray(1, 3)),
    })
    expect([out.i, out.b, out.s, out.e, out.v].map((tensor) => numbers(tensor!))).toEqual([
      [2, 3],
      [0, 1],
      [8],
      [],
      [-1, -2],
    ])
    expect(out.e!.shape).toEqual([0, 3])
  })

  it('on another backend, gives results of their own too', async () => {
    await tf.setBackend('cpu')
    try {
      const fn = jit(({ x }: { x: tf.Tensor }) => {
        const y = tf.neg(x)
        return { x, y, again: y }
      })
      const x = tf.tensor1d([1])
      const out = fn({ x })
      tf.dispose([out.x, out.y])
      expect(numbers(out.again)).toEqual([-1])
      expect(numbers(x)).toEqual([1])
    } finally {
      await tf.setBackend('onnx')
    }
  })
})

describe('a traced function is refused', () => {
  const x = () => tf.tensor1d([1, 2])

  /** Calls it, and proves that the backend computes again. */
  function refusal(fn: (args: { x: tf.Tensor }) => { y: tf.Tensor }): () => void {
    return () => {
      try {
        jit(fn)({ x: x() })
      } finally {
        expect(numbers(tf.add(1, 2))).toEqual([3])
      }
    }
  }

  it('when it assigns or makes a variable', () => {
    const weight = tf.variable(tf.tensor1d([0, 0]))
    const message =
      /must not make or assign a variable \(test\/lm\/tensor\/jit.test.ts:\d+\): return the new value/
    expect(
      refusal(({ x }) => {
        weight.assign(tf.mul(x, 2) as tf.Tensor1D)
        return { y: x }
      }),
    ).toThrow(message)
    expect(refusal(({ x }) => ({ y: tf.variable(tf.mul(x, 2)) }))).toThrow(message)
  })

  it('when it uses what another one made', () => {
    let leaked: tf.Tensor | undefined
    jit(({ x }: { x: tf.Tensor }) => {
      leaked = tf.keep(tf.mul(x, 2))
      return { y: tf.neg(x) }
    })({ x: x() })
    expect(refusal(({ x }) => ({ y: tf.add(x, leaked!) }))).toThrow(/made inside one traced function/)
  })

  it('when an argument, or a tensor that it closes over, has been disposed', () => {
    const weight = x()
    const fn = jit(({ x }: { x: tf.Tensor }) => ({ y: tf.mul(x, weight) }))
    const gone = x()
    fn({ x: gone })
    gone.dispose()
    expect(() => fn({ x: gone })).toThrow(/reads a tensor of shape \[2\] that has been disposed/)
    weight.dispose()
    expect(() => fn({ x: x() })).toThrow(/has been disposed/)
  })
})
