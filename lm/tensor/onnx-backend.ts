/**
 * @file A TensorFlow.js backend on ONNX Runtime. Eager: a kernel call runs its lowering as a cached one-operator
 * session. Tracing: kernel calls are recorded into a graph (see `jit.ts`). Each buffer lives in host memory.
 */
import { allocate, type ElementType, isElementType, sizeOf, type TypedArray, toTypedArray } from './dtype.ts'
import { Graph, type Value } from './graph.ts'
import { lowerings } from './lowerings/index.ts'
import type { KernelAttributes } from './lowerings/lowering.ts'
import { Session } from './session.ts'
import { tf } from './tf.ts'

/** A buffer of the backend: numbers, or while tracing a symbolic value. */
interface Buffer {
  readonly dtype: ElementType
  readonly values: TypedArray | undefined
  readonly value: Value | undefined
  /** Allocated by the backend, so it may be handed out again once nobody holds it. */
  readonly pooled: boolean
  references: number
}

interface KernelSession {
  readonly session: Session
  /** Input positions that the lowering reads. */
  readonly used: readonly number[]
  readonly outputs: readonly { readonly shape: readonly number[]; readonly dtype: ElementType }[]
  readonly several: boolean
}

/** What the backend needs of a trace under way. */
export interface Trace {
  readonly graph: Graph
  /** The graph's input for a tensor that was made outside the trace. */
  capture(info: tf.TensorInfo, dtype: ElementType): Value
}

/** Released buffers kept for reuse, per type and length. */
const poolDepth = 32

export class OnnxBackend extends tf.KernelBackend {
  /** Fetches tensors of other backends when a kernel here first asks for them. */
  readonly #buffers = new tf.DataStorage<Buffer>(this, tf.engine())
  readonly #sessions = new Map<string, KernelSession>()
  readonly #pool = new Map<string, TypedArray[]>()
  #trace: Trace | undefined

  /** Runs `record` with every kernel call recorded into `trace`. */
  tracing<T>(trace: Trace, record: () => T): T {
    if (this.#trace !== undefined) throw new Error('a traced function cannot call another compiled function')
    this.#trace = trace
    try {
      return record()
    } finally {
      this.#trace = undefined
    }
  }

  get isTracing(): boolean {
    return this.#trace !== undefined
  }

  /** The numbers behind a tensor, not copied: read at once and never kept. */
  view(info: tf.TensorInfo): TypedArray {
    const buffer = this.#buffer(info.dataId)
    if (buffer.values === undefined) {
      throw new Error("a traced function must not read a tensor's numbers: they exist only when it runs")
    }
    return buffer.values
  }

  /** The symbolic value of a tensor inside the running trace. */
  symbolic(info: tf.TensorInfo): Value {
    const buffer = this.#buffer(info.dataId)
    if (buffer.value !== undefined) return this.#trace!.graph.reshape(buffer.value, info.shape)
    return this.#trace!.capture(info, buffer.dtype)
  }

  /** A tensor that stands for `value` inside the running trace. */
  symbol(value: Value): tf.Tensor {
    const dtype = value.dtype as ElementType
    const info = this.#store({ dtype, values: undefined, value, pooled: false, references: 1 }, value.shape)
    return tf.engine().makeTensorFromTensorInfo(info)
  }

  /** A typed array to be filled and handed to `adopt`. Its content is undefined. */
  allocate(dtype: ElementType, length: number): TypedArray {
    return this.#pool.get(`${dtype}${length}`)?.pop() ?? allocate(dtype, length)
  }

  /** Makes a buffer of the pool a tensor's. */
  adopt(values: TypedArray, shape: readonly number[], dtype: ElementType): tf.TensorInfo {
    return this.#store({ dtype, values, value: undefined, pooled: true, references: 1 }, shape)
  }

  execute(
    kernel: string,
    inputs: Record<string, tf.TensorInfo>,
    attributes: unknown,
  ): tf.TensorInfo | tf.TensorInfo[] {
    if (this.#trace !== undefined) return this.#record(this.#trace, kernel, inputs, attributes)
    return this.#withoutComputing(kernel, inputs, attributes) ?? this.#compute(kernel, inputs, attributes)
  }

  #record(trace: Trace, kernel: string, inputs: Record<string, tf.TensorInfo>, attributes: unknown) {
    const values: Record<string, Value> = {}
    for (const name in inputs) values[name] = this.symbolic(inputs[name]!)
    const result = lowerings[kernel]!(trace.graph, values, attributes ?? {})
    const store = (value: Value) => {
      const dtype = value.dtype as ElementType
      return this.#store({ dtype, values: undefined, value, pooled: false, references: 1 }, value.shape)
    }
    return Array.isArray(result) ? result.map(store) : store(result)
  }

  /** Kernels that only give a buffer another name, shape or uniform content. */
  #withoutComputing(
    kernel: string,
    inputs: Record<string, tf.TensorInfo>,
    attributes: KernelAttributes,
  ): tf.TensorInfo | undefined {
    const share = (x: tf.TensorInfo, shape: readonly number[]) => {
      this.incRef(x.dataId)
      return { dataId: x.dataId, shape: [...shape], dtype: x.dtype }
    }
    const fill = (shape: readonly number[], dtype: tf.DataType, value: number) => {
      if (!isElementType(dtype)) throw new Error(`no tensors of type ${dtype} on this backend`)
      return this.adopt(this.allocate(dtype, sizeOf(shape)).fill(value), shape, dtype)
    }
    switch (kernel) {
      case 'Identity':
        return share(inputs.x!, inputs.x!.shape)
      case 'Cast':
        return inputs.x!.dtype === attributes.dtype ? share(inputs.x!, inputs.x!.shape) : undefined
      case 'Reshape':
        return share(inputs.x!, tf.util.inferFromImplicitShape(attributes.shape, sizeOf(inputs.x!.shape)))
      case 'Fill':
        return fill(attributes.shape, attributes.dtype ?? 'float32', Number(attributes.value))
      case 'ZerosLike':
        return fill(inputs.x!.shape, inputs.x!.dtype, 0)
      case 'OnesLike':
        return fill(inputs.x!.shape, inputs.x!.dtype, 1)
      default:
        return undefined
    }
  }

  #compute(
    kernel: string,
    inputs: Record<string, tf.TensorInfo>,
    attributes: unknown,
  ): tf.TensorInfo | tf.TensorInfo[] {
    const names = Object.keys(inputs ?? {})
    const signature = names.map((name) => `${name}:${inputs[name]!.dtype}[${inputs[name]!.shape}]`).join(' ')
    const key = `${kernel} ${signature} ${JSON.stringify(attributes ?? {})}`
    const known = this.#sessions.get(key) ?? this.#build(kernel, names, inputs, attributes)
    this.#sessions.set(key, known)

    const feeds: Record<string, { dtype: ElementType; shape: number[]; values: TypedArray }> = {}
    for (const position of known.used) {
      const info = inputs[names[position]!]!
      feeds[`i${position}`] = { dtype: info.dtype as ElementType, shape: info.shape, values: this.view(info) }
    }
    const results = known.outputs.map(({ shape, dtype }) => ({
      shape,
      dtype,
      values: this.allocate(dtype, sizeOf(shape)),
    }))
    known.session.run(feeds, Object.fromEntries(results.map((result, index) => [`o${index}`, result])))
    const tensors = results.map(({ values, shape, dtype }) => this.adopt(values, shape, dtype))
    return known.several ? tensors : tensors[0]!
  }

  #build(
    kernel: string,
    names: readonly string[],
    inputs: Record<string, tf.TensorInfo>,
    attributes: unknown,
  ): KernelSession {
    const graph = new Graph()
    const values: Record<string, Value> = {}
    names.forEach((name, position) => {
      const { shape, dtype } = inputs[name]!
      values[name] = graph.input(`i${position}`, [...shape], dtype as ElementType)
    })
    const result = lowerings[kernel]!(graph, values, attributes ?? {})
    const outputs = Array.isArray(result) ? result : [result]
    const encoded = graph.encode(outputs.map((value, index) => ({ name: `o${index}`, value })))
    return {
      session: new Session(encoded.bytes, { spinning: false }),
      used: encoded.inputs.map((name) => Number(name.slice(1))),
      outputs: outputs.map(({ shape, dtype }) => ({ shape, dtype: dtype as ElementType })),
      several: Array.isArray(result),
    }
  }

  #buffer(id: tf.DataId): Buffer {
    return this.#buffers.get(id)
  }

  #store(buffer: Buffer, shape: readonly number[]): tf.TensorInfo {
    const dataId = {}
    this.#buffers.set(dataId, buffer)
    return { dataId, shape: [...shape], dtype: buffer.dtype }
  }

  // What tfjs-core asks of a backend.

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    if (!isElementType(dtype)) throw new Error(`no tensors of type ${dtype} on this backend`)
    const array =
      values === null ? allocate(dtype, sizeOf(shape)) : toTypedArray(values as ArrayLike<number>, dtype)
    if (this.#trace === undefined) {
      return this.#store({ dtype, values: array, value: undefined, pooled: false, references: 1 }, shape)
        .dataId
    }
    const uniform = array.length > 0 && array.every((each) => each === array[0])
    const graph = this.#trace.graph
    const value = uniform
      ? graph.uniform(array[0]!, [...shape], dtype)
      : graph.constant(array.slice(), [...shape], dtype)
    return this.#store({ dtype, values: undefined, value, pooled: false, references: 1 }, shape).dataId
  }

  override move(
    dataId: tf.DataId,
    values: tf.backend_util.BackendValues,
    _shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    if (!isElementType(dtype)) throw new Error(`no tensors of type ${dtype} on this backend`)
    const array = toTypedArray(values as ArrayLike<number>, dtype)
    this.#buffers.set(dataId, { dtype, values: array, value: undefined, pooled: false, references })
  }

  override readSync(dataId: tf.DataId): TypedArray {
    const values = this.view({ dataId, shape: [], dtype: 'float32' })
    return this.#buffer(dataId).pooled ? values.slice() : values
  }

  override async read(dataId: tf.DataId): Promise<TypedArray> {
    return this.readSync(dataId)
  }

  override refCount(dataId: tf.DataId): number {
    return this.#buffers.has(dataId) ? this.#buffers.get(dataId).references : 0
  }

  override incRef(dataId: tf.DataId): void {
    this.#buffer(dataId).references++
  }

  decRef(dataId: tf.DataId): void {
    this.#buffer(dataId).references--
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.#buffers.has(dataId)) return true
    const buffer = this.#buffers.get(dataId)
    buffer.references--
    if (!force && buffer.references > 0) return false
    if (buffer.pooled && buffer.values !== undefined) {
      const key = `${buffer.dtype}${buffer.values.length}`
      const free = this.#pool.get(key) ?? []
      this.#pool.set(key, free)
      if (free.length < poolDepth) free.push(buffer.values)
    }
    this.#buffers.delete(dataId)
    return true
  }

  override numDataIds(): number {
    return this.#buffers.numDataIds()
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true }
  }

  override floatPrecision(): 16 | 32 {
    return 32
  }

  override epsilon(): number {
    return 1e-7
  }

  override timerAvailable(): boolean {
    return true
  }

  override async time(run: () => void): Promise<tf.BackendTimingInfo> {
    const start = performance.now()
    run()
    return { kernelMs: performance.now() - start } as tf.BackendTimingInfo
  }

  override dispose(): void {
    for (const { session } of this.#sessions.values()) session.dispose()
    this.#sessions.clear()
    this.#pool.clear()
  }
}

export const backendName = 'onnx'

/** Registers the backend and its kernels with tfjs-core, once a process. */
export function registerOnnxBackend(): void {
  if (tf.findBackendFactory(backendName) !== null) return
  const backend = new OnnxBackend()
  tf.registerBackend(backendName, () => backend, 1)
  for (const kernelName of Object.keys(lowerings)) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) =>
        backend.execute(kernelName, inputs as Record<string, tf.TensorInfo>, attrs),
    })
  }
}

/** The running backend where it is this one. */
export function currentOnnxBackend(): OnnxBackend | undefined {
  return tf.getBackend() === backendName ? (tf.backend() as OnnxBackend) : undefined
}
