/**
 * @file Dropout on what adapters see of their modules' inputs, in training alone. A batch has too many such inputs to
 * draw a number for each on the host. Each gets a hash instead, of three numbers drawn for its row and two for its
 * column, in integers that float32 holds exactly: the same seed drops the same inputs on any device.
 */
import type { PassShape } from '../batches/cost.ts'
import type { DecoderConfig } from '../model/config.ts'
import { projectionShape } from '../model/layout.ts'
import type { DecoderAdapter } from '../model/lora.ts'
import type { LoraModule } from '../model/lora-modules.ts'
import { createRandom } from '../random.ts'
import type { HostBatch } from '../tensor/host-tensor.ts'
import { after } from '../tensor/recomputed.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import type { Place } from './trainer.ts'

/** Hashes lie below it: small enough that a product of two, and a quotient, are exact in float32. */
const prime = 2039

/**
 * What `droppedInputs` reads: `dropout_rows` [modules, 3, rows, spans of queries, span], `dropout_columns`
 * [modules, 2, 1, widest input].
 */
export function dropoutArrays(
  modules: readonly LoraModule[],
  config: DecoderConfig,
  shape: Pick<PassShape, 'rows' | 'length' | 'querySpans'>,
  seed: number,
  { update, micro, pass }: Place,
): HostBatch {
  const random = createRandom(`dropout ${seed} ${update} ${micro} ${pass}`)
  const widest = Math.max(...modules.map(({ projection }) => projectionShape(config, projection)[1]))
  const { querySpans } = shape
  const span = shape.length / querySpans
  const rows = shape.rows * shape.length
  const drawn = (size: number) => Float32Array.from({ length: size }, () => random.word() % prime)
  return {
    dropout_rows: {
      shape: [modules.length, 3, shape.rows, querySpans, span],
      openSizes: [null, null, null, null, 'span'],
      data: drawn(modules.length * 3 * rows),
    },
    dropout_columns: { shape: [modules.length, 2, 1, widest], data: drawn(modules.length * 2 * widest) },
  }
}

/**
 * Sets a share of a module's inputs to 0 and scales the others by 1 / (1 - rate), each module's by itself.
 * @param rate in [0, 1); taken to the next 1/2039
 * @param batch with `dropoutArrays`; without them nothing is dropped
 */
export function droppedInputs(
  modules: readonly LoraModule[],
  rate: number,
  { dropout_rows: rows, dropout_columns: columns }: TensorMap,
): DecoderAdapter['drop'] {
  if (rows === undefined || columns === undefined) return undefined
  const index = new Map(modules.map(({ module }, position) => [module, position]))
  const least = Math.round(rate * prime)
  return (module, x) => {
    const at = index.get(module)!
    const [count, width] = x.shape as [number, number]
    const row = (which: number) =>
      tf.reshape(tf.slice(rows, [at, which, 0, 0, 0], [1, 1, -1, -1, -1]), [count, 1])
    const column = (which: number) =>
      tf.reshape(tf.slice(columns, [at, which, 0, 0], [1, 1, 1, width]), [1, width])
    // Only once x is there: where x is computed anew for a gradient so is this, instead of being kept.
    const first = modulo(tf.add(tf.mul(after(x, row(0)), column(0)), row(1)))
    const second = modulo(tf.add(tf.square(first), column(1)))
    const hash = modulo(tf.add(tf.square(second), row(2)))
    const kept = tf.cast(tf.greaterEqual(hash, least), 'float32')
    return tf.mul(x, tf.mul(kept, 1 / (1 - rate)))
  }
}

function modulo(x: Tensor): Tensor {
  return tf.sub(x, tf.mul(tf.floor(tf.div(x, prime)), prime))
}
