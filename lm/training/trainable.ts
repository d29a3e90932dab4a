/**
 * @file The parameters under training as one flat vector and the named tensors that lie in it, one after another.
 */
import { sizeOf } from '../tensor/dtype.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'

export interface NamedValues {
  readonly shape: readonly number[]
  readonly data: Float32Array
}

export class ParameterLayout {
  readonly names: readonly string[]
  readonly shapes: readonly (readonly number[])[]
  readonly sizes: readonly number[]
  readonly size: number

  constructor(shapes: ReadonlyMap<string, readonly number[]>) {
    this.names = [...shapes.keys()]
    this.shapes = [...shapes.values()]
    this.sizes = this.shapes.map(sizeOf)
    this.size = this.sizes.reduce((a, b) => a + b, 0)
  }

  static of(values: ReadonlyMap<string, NamedValues>): ParameterLayout {
    return new ParameterLayout(new Map([...values].map(([name, { shape }]) => [name, shape])))
  }

  flatten(values: ReadonlyMap<string, NamedValues>): Float32Array {
    const flat = new Float32Array(this.size)
    let offset = 0
    for (const name of this.names) {
      const { data } = values.get(name)!
      flat.set(data, offset)
      offset += data.length
    }
    return flat
  }

  unflatten(flat: Float32Array): Map<string, { shape: number[]; data: Float32Array }> {
    const values = new Map<string, { shape: number[]; data: Float32Array }>()
    let offset = 0
    this.names.forEach((name, index) => {
      const end = offset + this.sizes[index]!
      values.set(name, { shape: [...this.shapes[index]!], data: flat.slice(offset, end) })
      offset = end
    })
    return values
  }

  /** The named tensors of a flat one, [size]. */
  split(flat: Tensor): TensorMap {
    const parts = this.names.length === 1 ? [flat] : tf.split(flat, [...this.sizes], 0)
    const tensors: TensorMap = {}
    this.names.forEach((name, index) => {
      tensors[name] = tf.reshape(parts[index]!, [...this.shapes[index]!])
    })
    return tensors
  }

  /** A vector that is 1 where `chosen` holds for the parameter's name and shape, 0 elsewhere. */
  indicator(chosen: (name: string, shape: readonly number[]) => boolean): Float32Array {
    const vector = new Float32Array(this.size)
    let offset = 0
    this.names.forEach((name, index) => {
      const end = offset + this.sizes[index]!
      if (chosen(name, this.shapes[index]!)) vector.fill(1, offset, end)
      offset = end
    })
    return vector
  }
}
