/**
 * @file The operators that take most of a step's time, each compiled by itself: products in GFLOP/s, the rest in GB/s of
 * what they must read and write. Products return a corner of their result, so that no copy counts; the others are applied
 * several times over.
 */
import { startDevice } from '../../../lm/tensor/device.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { median, readSettings, report, timed } from './measure.ts'

export interface KernelCase {
  readonly name: string
  readonly kind: 'product' | 'softmax' | 'norm' | 'gate' | 'add'
  /** Of a product: rows, inner, columns; `b` is [columns, inner], as weights are. Else rows and columns. */
  readonly shape: readonly number[]
}

interface Settings {
  readonly threads: number
  readonly cases: readonly KernelCase[]
  /** Times that an operator other than a product is applied in one call. */
  readonly chain: number
  readonly repeats: number
}

export async function main(argv: readonly string[]): Promise<number> {
  const { threads, cases, chain, repeats } = readSettings<Settings>(argv)
  await startDevice('cpu', threads)
  const figures: Record<string, number> = {}
  for (const each of cases) {
    const [name, value] = each.kind === 'product' ? product(each, repeats) : streamed(each, chain, repeats)
    figures[name] = value
  }
  return report({ figures })
}

function product({ name, shape }: KernelCase, repeats: number): [string, number] {
  const [rows, inner, columns] = shape as [number, number, number]
  const inputs = { a: tf.randomUniform([rows, inner]), b: tf.randomUniform([columns, inner]) }
  const seconds = usual(
    ({ a, b }) => ({
      corner: tf.slice(tf.matMul(a as tf.Tensor2D, b as tf.Tensor2D, false, true), [0, 0], [1, 1]),
    }),
    inputs,
    repeats,
  )
  return [`${name} ${shape.join(' x ')}, GFLOP/s`, (2 * rows * inner * columns) / seconds / 1e9]
}

/** Kind -> the operator, and how many arrays it must read and write. */
const operators: Readonly<Record<Exclude<KernelCase['kind'], 'product'>, [(x: Tensor) => Tensor, number]>> = {
  softmax: [(x) => tf.softmax(x), 2],
  norm: [(x) => tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5))), 2],
  gate: [(x) => tf.mul(x, tf.sigmoid(x)), 2],
  add: [(x) => tf.add(x, x), 2],
}

function streamed({ name, kind, shape }: KernelCase, chain: number, repeats: number): [string, number] {
  const [apply, passes] = operators[kind as Exclude<KernelCase['kind'], 'product'>]
  const inputs = { x: tf.randomUniform([...shape]) as Tensor }
  const seconds = usual(
    (args) => {
      let x = args.x!
      for (let time = 0; time < chain; time++) x = apply(x)
      return { corner: tf.slice(x, [0, 0], [1, 1]) }
    },
    inputs,
    repeats,
  )
  const bytes = 4 * shape.reduce((a, b) => a * b, 1) * passes * chain
  return [`${name} ${shape.join(' x ')}, GB/s`, bytes / seconds / 1e9]
}

/** Seconds of a call, the first two not counted. */
function usual(fn: (args: TensorMap) => TensorMap, inputs: TensorMap, repeats: number): number {
  const compiled = jit(fn)
  const seconds = Array.from({ length: repeats + 2 }, () => timed(() => tf.dispose(compiled(inputs))))
  compiled.dispose()
  tf.dispose(inputs)
  return median(seconds.slice(2))
}
