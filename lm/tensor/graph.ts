/**
 * @file A graph of ONNX operators under construction. A `Value` is a tensor whose shape and type are known and
 * whose content is not. Uniform values (`uniform`) and broadcasts (`broadcastOf`) are kept symbolic for as long as
 * possible: tfjs gradients multiply by whole arrays of ones, thousands of times a step.
 */
import {
  allocate,
  type ElementType,
  isElementType,
  onnxType,
  sameShape,
  type TypedArray,
  toTypedArray,
} from './dtype.ts'
import { onnx, type onnxTypes } from './onnx-proto.ts'
import type { Provider } from './provider.ts'

export const opsetVersion = 17
export const irVersion = 8
/** The ONNX domain of ONNX Runtime's own operators. */
export const microsoft = 'com.microsoft'

/** The others occur inside a lowering only. */
export type ValueType = ElementType | 'int8' | 'uint8' | 'int64' | 'float64'
export type Attribute = number | string | readonly number[] | { readonly float: number }
export type Attributes = Readonly<Record<string, Attribute>>

export interface Value {
  /** Name in the graph; undefined while the value is only known to be uniform. */
  name: string | undefined
  readonly shape: readonly number[]
  readonly dtype: ValueType
  /** Every element equals this. */
  readonly uniform?: number
  /** This is that value, expanded to `shape`. */
  readonly broadcastOf?: Value
  /** This is that value, cast to `dtype` without loss of what a cast back needs. */
  readonly castOf?: Value
}

/** Above lies only what was computed from open sizes. */
const largestInteger = 2 ** 31

/** The whole numbers that a float64 holds have so many bits. */
const exactBits = 52

interface OpenSize {
  /** The number that stands for it. */
  readonly size: number
  /** Where a run finds it. */
  source: { readonly value: Value; readonly axis: number } | undefined
}

interface Node {
  opType: string
  domain: string
  name: string
  input: string[]
  output: string[]
  attribute: onnxTypes.IAttributeProto[]
}

/** Numbers that stay outside the encoded graph, which names them. */
export interface ExternalData {
  readonly path: string
  readonly data: TypedArray | Int8Array
}

export interface EncodedGraph {
  readonly bytes: Uint8Array
  readonly external: readonly ExternalData[]
  /** Inputs that the outputs depend on. */
  readonly inputs: readonly string[]
  readonly nodeCount: number
}

/** `value` as an element of that type holds it. */
function held(value: number, dtype: ValueType): number {
  if (dtype === 'float32') return Math.fround(value)
  return isElementType(dtype) ? toTypedArray([value], dtype)[0]! : value
}

function encodeAttribute(name: string, value: Attribute): onnxTypes.IAttributeProto {
  if (typeof value === 'string') return { name, type: 3, s: Buffer.from(value) }
  if (typeof value === 'number') return { name, type: 2, i: value }
  if ('float' in value) return { name, type: 1, f: value.float }
  return { name, type: 7, ints: [...value] }
}

/** A protocol buffer holds 2 GB, and is copied: larger constants are handed to the session beside it. */
const externalBytes = 2 ** 20

function externalTensor(name: string, bytes: number, dims: readonly number[], type: ValueType) {
  const externalData = Object.entries({ location: name, offset: '0', length: String(bytes) })
  return {
    name,
    dims: [...dims],
    dataType: onnxType[type],
    dataLocation: 1,
    externalData: externalData.map(([key, value]) => ({ key, value })),
  } satisfies onnxTypes.ITensorProto
}

function rawTensor(
  name: string,
  data: TypedArray | Int8Array | BigInt64Array,
  dims: readonly number[],
  type: ValueType,
) {
  const rawData = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
  return { name, dims: [...dims], dataType: onnxType[type], rawData } satisfies onnxTypes.ITensorProto
}

export class Graph {
  readonly #nodes: Node[] = []
  readonly #initializers = new Map<string, onnxTypes.ITensorProto>()
  readonly #inputs: Value[] = []
  readonly #constants = new Map<string, string>()
  readonly #external = new Map<string, TypedArray | Int8Array>()
  readonly #openSizes: ReadonlyMap<string, OpenSize>
  /** Plain sizes lie below. */
  readonly #leastOpenSize: number
  readonly #runtimeIntegers = new Map<string, Value>()
  /** Where sizes are open, all results: ONNX Runtime's own inference loses sight of their shapes. */
  readonly #results: Value[] = []
  /** Reshapes compose: the source of a reshaped value. */
  readonly #reshapeOf = new Map<string, Value>()
  #count = 0

  /**
   * @param provider what the graph will run on: lowerings choose operators that it has
   * @param openSizes names of the sizes that each run chooses anew
   */
  constructor(
    readonly provider: Provider = 'cpu',
    openSizes: readonly string[] = [],
  ) {
    // Few open sizes leave room for large plain ones, and for large multiples.
    const plainBits = openSizes.length > 2 ? 20 : 32
    const multipleBits = Math.floor((exactBits - plainBits) / openSizes.length)
    this.#leastOpenSize = openSizes.length === 0 ? Number.POSITIVE_INFINITY : 2 ** plainBits
    const sizeOf = (index: number) => 2 ** (plainBits + index * multipleBits)
    this.#openSizes = new Map(
      openSizes.map((name, index) => [name, { size: sizeOf(index), source: undefined }]),
    )
  }

  input(name: string, shape: readonly number[], dtype: ElementType | 'int8'): Value {
    const value: Value = { name, shape, dtype }
    this.#inputs.push(value)
    for (const open of this.#openSizes.values()) {
      const axis = shape.indexOf(open.size)
      if (axis !== -1) open.source ??= { value, axis }
    }
    return value
  }

  /**
   * The number that stands for an open size. Shapes are computed with it as with any other: sums and multiples of open
   * sizes (by less than 1024, by less than 256 of more than two) are read back from the numbers, and computed when the
   * graph runs. Some input must have the size itself.
   */
  openSize(name: string): number {
    return this.#openSizes.get(name)!.size
  }

  uniform(value: number, shape: readonly number[], dtype: ValueType): Value {
    return { name: undefined, shape, dtype, uniform: held(value, dtype) }
  }

  constant(data: TypedArray | Int8Array, shape: readonly number[], dtype: ValueType): Value {
    const name = this.#fresh('c')
    if (data.byteLength >= externalBytes) {
      this.#external.set(name, data)
      this.#initializers.set(name, externalTensor(name, data.byteLength, shape, dtype))
    } else {
      this.#initializers.set(name, rawTensor(name, data, shape, dtype))
    }
    return { name, shape, dtype }
  }

  /** Whether the numbers are known while the graph is built. */
  isConstant(value: Value): boolean {
    return value.uniform !== undefined || (value.name !== undefined && this.#initializers.has(value.name))
  }

  /** A one-dimensional int64 constant: shapes, axes, indices of ONNX operators. */
  integers(values: readonly number[]): Value {
    if (values.some((value) => this.isOpen(value))) return this.#computedIntegers(values)
    if (values.some((value) => value > largestInteger))
      throw new Error('no number less than an open size is known')
    const name = this.#shared(`i64:${values.join()}`, (fresh) =>
      rawTensor(fresh, BigInt64Array.from(values, BigInt), [values.length], 'int64'),
    )
    return { name, shape: [values.length], dtype: 'int64' }
  }

  /** A size as a number to compute with: a scalar, int32. */
  sizeAsNumber(size: number): Value {
    if (!this.isOpen(size)) return this.scalar(size, 'int32')
    const scalar = this.op('Squeeze', [this.#computedIntegers([size])], {}, [], 'int64')
    return this.op('Cast', [scalar], { to: onnxType.int32 }, [], 'int32')
  }

  /** 0, 1, ... up to `count`, int64. */
  range(count: number): Value {
    if (!this.isOpen(count)) return this.integers(Array.from({ length: count }, (_, index) => index))
    const bounds = [this.integers([0]), this.#computedIntegers([count]), this.integers([1])]
    const scalars = bounds.map((each) => this.op('Squeeze', [each], {}, [], 'int64'))
    return this.op('Range', scalars, {}, [count], 'int64')
  }

  /** Whether a size is known only when the graph runs. */
  isOpen(size: number): boolean {
    return size >= this.#leastOpenSize
  }

  #computedIntegers(values: readonly number[]): Value {
    const key = values.join()
    const known = this.#runtimeIntegers.get(key)
    if (known !== undefined) return known
    const parts = values.map((value) =>
      this.isOpen(value) ? this.#computedSize(value) : this.integers([value]),
    )
    const vector =
      parts.length === 1 ? parts[0]! : this.op('Concat', parts, { axis: 0 }, [parts.length], 'int64')
    this.#runtimeIntegers.set(key, vector)
    return vector
  }

  /** [1], int64 */
  #computedSize(size: number): Value {
    const scaled = (factor: number, value: Value) =>
      factor === 1 ? value : this.op('Mul', [value, this.integers([factor])], {}, [1], 'int64')
    const terms: Value[] = []
    let rest = size
    for (const [name, { size: unit, source }] of [...this.#openSizes].reverse()) {
      const factor = Math.floor(rest / unit)
      rest -= factor * unit
      if (factor === 0) continue
      if (source === undefined) throw new Error(`no input of the graph has the size \`${name}\``)
      const { value, axis } = source
      const own = this.op('Shape', [value], { start: axis, end: axis + 1 }, [1], 'int64')
      terms.push(scaled(factor, own))
    }
    if (rest > 0) terms.push(this.integers([rest]))
    return terms.reduce((sum, term) => this.op('Add', [sum, term], {}, [1], 'int64'))
  }

  scalar(value: number, dtype: ElementType): Value {
    const key = `${dtype}:${Object.is(value, -0) ? '-0' : value}`
    const name = this.#shared(key, (fresh) => {
      const data = allocate(dtype, 1)
      data[0] = value
      return rawTensor(fresh, data, [], dtype)
    })
    return { name, shape: [], dtype }
  }

  /** Adds an operator with one output. */
  op(
    type: string,
    inputs: readonly Value[],
    attributes: Attributes,
    shape: readonly number[],
    dtype: ValueType,
    domain = '',
  ): Value {
    return this.ops(type, inputs, attributes, [shape], dtype, domain)[0]!
  }

  /** Adds an operator with an output for each of `shapes`, all of one type or each of its own. */
  ops(
    type: string,
    inputs: readonly Value[],
    attributes: Attributes,
    shapes: readonly (readonly number[])[],
    dtype: ValueType | readonly ValueType[],
    domain = '',
  ): Value[] {
    const input = inputs.map((value) => this.nameOf(value))
    const output = shapes.map(() => this.#fresh('t'))
    const attribute = Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value))
    this.#nodes.push({ opType: type, domain, name: `${type}_${output[0]}`, input, output, attribute })
    const values = output.map((name, index): Value => {
      const type = typeof dtype === 'string' ? dtype : dtype[index]!
      return { name, shape: shapes[index]!, dtype: type }
    })
    if (this.#openSizes.size > 0) this.#results.push(...values)
    return values
  }

  reshape(value: Value, shape: readonly number[]): Value {
    if (sameShape(value.shape, shape)) return value
    if (value.uniform !== undefined) return this.uniform(value.uniform, shape, value.dtype)
    const source = this.#reshapeOf.get(this.nameOf(value)) ?? value
    if (sameShape(source.shape, shape)) return source
    // Without this flag a dimension of 0 means that of the input.
    const flags = shape.includes(0) ? { allowzero: 1 } : {}
    const reshaped = this.op('Reshape', [source, this.integers(shape)], flags, shape, value.dtype)
    this.#reshapeOf.set(this.nameOf(reshaped), source)
    return reshaped
  }

  expand(value: Value, shape: readonly number[]): Value {
    if (sameShape(value.shape, shape)) return value
    if (value.uniform !== undefined) return this.uniform(value.uniform, shape, value.dtype)
    const expanded = this.op('Expand', [value, this.integers(shape)], {}, shape, value.dtype)
    return { ...expanded, broadcastOf: value.broadcastOf ?? value }
  }

  /** Name of `value` at its full shape; a uniform value is written out. */
  nameOf(value: Value): string {
    if (value.name !== undefined) return value.name
    const scalar = this.scalar(value.uniform!, value.dtype as ElementType)
    value.name =
      value.shape.length === 0
        ? scalar.name
        : this.op('Expand', [scalar, this.integers(value.shape)], {}, value.shape, value.dtype).name
    return value.name!
  }

  /** Drops what the outputs do not need and encodes the rest as an ONNX model. */
  encode(outputs: readonly { readonly name: string; readonly value: Value }[]): EncodedGraph {
    const sources = outputs.map(({ value }) => this.nameOf(value))
    const needed = new Set(sources)
    const kept: Node[] = []
    for (let index = this.#nodes.length - 1; index >= 0; index--) {
      const node = this.#nodes[index]!
      if (!node.output.some((name) => needed.has(name))) continue
      kept.push(node)
      for (const name of node.input) needed.add(name)
    }
    kept.reverse()

    // An output is a node's own result under a new name; an Identity only where that cannot be (an input, or a
    // second output of the same value).
    const produced = new Set(kept.flatMap((node) => node.output))
    const renamed = new Map<string, string>()
    const copies: { from: string; to: string }[] = []
    outputs.forEach(({ name }, index) => {
      const source = sources[index]!
      if (produced.has(source) && !renamed.has(source)) renamed.set(source, name)
      else copies.push({ from: source, to: name })
    })
    const rename = (name: string) => renamed.get(name) ?? name
    const node = kept.map((each) => ({
      ...each,
      input: each.input.map(rename),
      output: each.output.map(rename),
    }))
    for (const { from, to } of copies) {
      const copy = { opType: 'Identity', domain: '', name: `copy_${to}`, attribute: [] }
      node.push({ ...copy, input: [rename(from)], output: [to] })
    }

    const inputs = this.#inputs.filter((value) => needed.has(value.name!))
    const describe = (name: string, value: Value): onnxTypes.IValueInfoProto => ({
      name,
      type: {
        tensorType: {
          elemType: onnxType[value.dtype],
          shape: {
            dim: value.shape.map((size) =>
              this.isOpen(size) ? { dimParam: `size_${size}` } : { dimValue: size },
            ),
          },
        },
      },
    })
    const model: onnxTypes.IModelProto = {
      irVersion,
      opsetImport: [
        { domain: '', version: opsetVersion },
        { domain: microsoft, version: 1 },
      ],
      graph: {
        name: 'traced',
        node,
        initializer: [...this.#initializers.values()].filter((tensor) => needed.has(tensor.name!)),
        input: inputs.map((value) => describe(value.name!, value)),
        // What is known to have one shape can have one memory.
        valueInfo: this.#results.flatMap((value) =>
          needed.has(value.name!) && !renamed.has(value.name!) ? [describe(value.name!, value)] : [],
        ),
        output: outputs.map(({ name, value }) => describe(name, value)),
      },
    }
    return {
      bytes: onnx.ModelProto.encode(model).finish(),
      external: [...this.#external].flatMap(([path, data]) => (needed.has(path) ? [{ path, data }] : [])),
      inputs: inputs.map((value) => value.name!),
      nodeCount: node.length,
    }
  }

  #fresh(prefix: string): string {
    return `${prefix}${this.#count++}`
  }

  #shared(key: string, make: (name: string) => onnxTypes.ITensorProto): string {
    const known = this.#constants.get(key)
    if (known !== undefined) return known
    const name = this.#fresh('c')
    this.#initializers.set(name, make(name))
    this.#constants.set(key, name)
    return name
  }
}
