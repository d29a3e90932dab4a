/**
 * @file A TensorFlow.js backend on ONNX Runtime. Eager: a kernel call runs its lowering as a cached one-operator
 * session. Tracing: kernel calls are recorded into a graph (see `jit.ts`). A buffer lives in host memory, in that of
 * the device, or in both: it is uploaded when a session first needs it there, what sessions compute stays on the
 * device, and comes back when somebody reads it.
 */
import { BufferPool } from './buffer-pool.ts'
import { computeOnCpu } from './cpu-fallback.ts'
import { DeviceMemory } from './device-memory.ts'
import { allocate, type ElementType, isElementType, sizeOf, type TypedArray, toTypedArray } from './dtype.ts'
import type { Graph, Value } from './graph.ts'
import { KernelSessions } from './kernel-sessions.ts'
import { lower, lowerings } from './lowerings/index.ts'
import { type KernelAttributes, NoLowering } from './lowerings/lowering.ts'
import type { Provider } from './provider.ts'
import { type RoundedMatrix, roundRows, spreadOut } from './rounded-matrix.ts'
import {
  DeviceValue,
  type HostValue,
  type Input,
  type Output,
  type Session,
  staysOnDevice,
} from './session.ts'
import { tf } from './tf.ts'
import { untraceable } from './untraceable.ts'

/** What stands for a tensor's numbers in the trace of `graph`. */
interface Symbol {
  readonly graph: Graph
  readonly value: Value
}

/** A buffer of the backend: numbers on the host, on the device or on both, rounded ones, or a symbol of a trace. */
interface Buffer {
  readonly dtype: ElementType
  values?: TypedArray
  device?: DeviceValue
  readonly symbol?: Symbol
  readonly rounded?: RoundedMatrix
  /** `values` were allocated by the backend, so they may be handed out again once nobody holds them. */
  readonly pooled: boolean
  references: number
  /** A session has read it from the host. */
  fed?: boolean
}

/** What the backend needs of a trace under way. */
export interface Trace {
  readonly graph: Graph
  /** The graph's input for a tensor that was made outside the trace. */
  capture(info: tf.TensorInfo, dtype: ElementType): Value
  /** The numbers of a rounded matrix, made anew for each reading: none of them outlives what it is needed for. */
  captureRounded(info: tf.TensorInfo, matrix: RoundedMatrix): Value
}

export class OnnxBackend extends tf.KernelBackend {
  /** Fetches tensors of other backends when a kernel here first asks for them. */
  readonly #buffers = new tf.DataStorage<Buffer>(this, tf.engine())
  readonly #sessions: KernelSessions
  readonly #pool = new BufferPool()
  readonly #memory: DeviceMemory
  #trace: Trace | undefined

  constructor(readonly provider: Provider) {
    super()
    this.#sessions = new KernelSessions(provider)
    this.#memory = new DeviceMemory(provider)
  }

  /** Runs `record` with every kernel call recorded into `trace`. */
  tracing<T>(trace: Trace, record: () => T): T {
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
    if (buffer.symbol !== undefined) {
      throw untraceable("a traced function must not read a tensor's numbers", 'they exist only when it runs')
    }
    if (buffer.rounded !== undefined) return spreadOut(buffer.rounded)
    if (buffer.values === undefined) {
      buffer.values = this.allocate(buffer.dtype, buffer.device!.size)
      this.#memory.download(buffer.device!, buffer.values)
    }
    return buffer.values
  }

  /** The symbolic value of a tensor inside the running trace. */
  symbolic(info: tf.TensorInfo): Value {
    const buffer = this.#buffer(info.dataId)
    const { graph, capture, captureRounded } = this.#trace!
    if (buffer.rounded !== undefined) return captureRounded(info, buffer.rounded)
    if (buffer.symbol === undefined) return capture(info, buffer.dtype)
    if (buffer.symbol.graph !== graph) {
      throw untraceable(
        'a tensor made inside one traced function is used in another',
        'return it and pass it on',
      )
    }
    return graph.reshape(buffer.symbol.value, info.shape)
  }

  /** A tensor that stands for `value` inside the running trace. */
  symbol(value: Value): tf.Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.#storeSymbol(value))
  }

  /** Whether the tensor stands for a value of a trace: it has no numbers, and means nothing once the trace is over. */
  isSymbol(info: tf.TensorInfo): boolean {
    return this.#buffer(info.dataId).symbol !== undefined
  }

  /** A typed array to be filled and handed to `adopt`. Its content is undefined. */
  allocate(dtype: ElementType, length: number): TypedArray {
    return this.#pool.take(dtype, length)
  }

  /**
   * A matrix held in 8 bits a number where the provider computes from them, and in float32, rounded all the same,
   * where it does not.
   * @param data [rows, columns]
   */
  rounded(data: Float32Array, shape: readonly [number, number]): tf.Tensor {
    const rounded = roundRows(data, shape[1])
    if (this.provider !== 'cpu') return tf.tensor(spreadOut(rounded), [...shape], 'float32')
    const info = this.#store({ dtype: 'float32', rounded, pooled: false, references: 1 }, shape)
    return tf.engine().makeTensorFromTensorInfo(info)
  }

  /** Makes a buffer of the pool a tensor's. */
  adopt(values: TypedArray, shape: readonly number[], dtype: ElementType): tf.TensorInfo {
    return this.#store({ dtype, values, pooled: true, references: 1 }, shape)
  }

  /**
   * Runs a compiled graph on tensors and makes tensors of its results.
   * @param lasting names of inputs that will be read again: they stay on the device from the first reading on,
   * others from the second
   * @param fixed inputs that are no tensors
   */
  run(
    session: Session,
    inputs: Readonly<Record<string, tf.TensorInfo>>,
    outputs: readonly Output[],
    lasting: ReadonlySet<string> = new Set(),
    fixed: Readonly<Record<string, Input>> = {},
  ): tf.TensorInfo[] {
    const feeds: Record<string, Input> = { ...fixed }
    for (const name in inputs) feeds[name] = this.#feed(inputs[name]!, lasting.has(name))
    const fetches: Record<string, HostValue | null> = {}
    for (const output of outputs) {
      if (staysOnDevice(this.provider, output)) continue
      const { name, shape, dtype } = output
      fetches[name] = shape ? { shape, dtype, values: this.allocate(dtype, sizeOf(shape)) } : null
    }
    const kept = session.run(feeds, fetches)
    return outputs.map(({ name, shape, dtype }) => {
      const result = kept[name]
      if (result === undefined) return this.adopt(fetches[name]!.values, shape!, dtype)
      const held =
        result instanceof DeviceValue
          ? { device: result, pooled: true }
          : { values: result.values, pooled: false }
      return this.#store({ dtype, ...held, references: 1 }, shape ?? result.shape)
    })
  }

  #feed(info: tf.TensorInfo, lasting: boolean): Input {
    const buffer = this.#buffer(info.dataId)
    const { shape } = info
    if (buffer.device === undefined) {
      const host = { dtype: buffer.dtype, shape, values: this.view(info) }
      if (!staysOnDevice(this.provider, host) || !(lasting || buffer.fed)) {
        buffer.fed = true
        return host
      }
      buffer.device = this.#memory.upload(host)
    }
    return { shape, device: buffer.device }
  }

  execute(
    kernel: string,
    inputs: Record<string, tf.TensorInfo>,
    attributes: unknown,
  ): tf.TensorInfo | tf.TensorInfo[] {
    if (this.#trace !== undefined) return this.#record(this.#trace, kernel, inputs, attributes)
    const shared = this.#withoutComputing(kernel, inputs, attributes)
    if (shared !== undefined) return shared
    try {
      return this.#compute(kernel, inputs, attributes)
    } catch (error) {
      if (!(error instanceof NoLowering)) throw error
      return this.#fallBack(kernel, inputs, attributes, error.message)
    }
  }

  #record(trace: Trace, kernel: string, inputs: Record<string, tf.TensorInfo>, attributes: unknown) {
    const values: Record<string, Value> = {}
    for (const name in inputs) values[name] = this.symbolic(inputs[name]!)
    const result = this.#lower(trace.graph, kernel, values, attributes)
    if (!Array.isArray(result)) return this.#storeSymbol(result)
    return result.map((value) => this.#storeSymbol(value))
  }

  #lower(graph: Graph, kernel: string, values: Record<string, Value>, attributes: unknown) {
    try {
      return lower(kernel, graph, values, attributes)
    } catch (error) {
      if (!(error instanceof NoLowering)) throw error
      throw untraceable(error.message, 'compute it from other operations, or outside of the traced function')
    }
  }

  #fallBack(
    kernel: string,
    inputs: Record<string, tf.TensorInfo>,
    attributes: unknown,
    why: string,
  ): tf.TensorInfo | tf.TensorInfo[] {
    const values: Record<string, HostValue> = {}
    for (const name in inputs) {
      const { shape, dtype } = inputs[name]!
      values[name] = { shape, dtype: dtype as ElementType, values: this.view(inputs[name]!) }
    }
    const results = computeOnCpu(kernel, values, attributes, why)
    const adopt = ({ values, shape, dtype }: HostValue) => this.adopt(values, shape, dtype)
    return Array.isArray(results) ? results.map(adopt) : adopt(results)
  }

  /** Kernels that only give a buffer another name, shape or uniform content. */
  #withoutComputing(
    kernel: string,
    inputs: Record<string, tf.TensorInfo>,
    attributes: KernelAttributes,
  ): tf.TensorInfo | undefined {
    const share = (x: tf.TensorInfo, shape: readonly number[]) => {
      this.#buffer(x.dataId).references++
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
    const { session, names, used, outputs, several } = this.#sessions.find(kernel, inputs, attributes)
    const feeds = Object.fromEntries(used.map((position) => [`i${position}`, inputs[names[position]!]!]))
    const tensors = this.run(session, feeds, outputs)
    return several ? tensors : tensors[0]!
  }

  #buffer(id: tf.DataId): Buffer {
    return this.#buffers.get(id)
  }

  #store(buffer: Buffer, shape: readonly number[]): tf.TensorInfo {
    const dataId = {}
    this.#buffers.set(dataId, buffer)
    return { dataId, shape: [...shape], dtype: buffer.dtype }
  }

  #storeSymbol(value: Value): tf.TensorInfo {
    const dtype = value.dtype as ElementType
    const symbol = { graph: this.#trace!.graph, value }
    return this.#store({ dtype, symbol, pooled: false, references: 1 }, value.shape)
  }

  // What tfjs-core asks of a backend.

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    if (!isElementType(dtype)) throw new Error(`no tensors of type ${dtype} on this backend`)
    const array =
      values === null ? allocate(dtype, sizeOf(shape)) : toTypedArray(values as ArrayLike<number>, dtype)
    if (this.#trace === undefined) {
      return this.#store({ dtype, values: array, pooled: false, references: 1 }, shape).dataId
    }
    const uniform = array.length > 0 && array.every((each) => Object.is(each, array[0]))
    const graph = this.#trace.graph
    const value = uniform
      ? graph.uniform(array[0]!, [...shape], dtype)
      : graph.constant(array.slice(), [...shape], dtype)
    return this.#storeSymbol(value).dataId
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
    this.#buffers.set(dataId, { dtype, values: array, pooled: false, references })
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

  /** tfjs-core calls this for variables alone. */
  override incRef(dataId: tf.DataId): void {
    const buffer = this.#buffer(dataId)
    if (buffer.symbol !== undefined) {
      throw untraceable('a traced function must not make or assign a variable', 'return the new value')
    }
    buffer.references++
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    if (!this.#buffers.has(dataId)) return true
    const buffer = this.#buffers.get(dataId)
    buffer.references--
    if (!force && buffer.references > 0) return false
    this.#buffers.delete(dataId)
    buffer.device?.dispose()
    if (buffer.pooled && buffer.values !== undefined) this.#pool.give(buffer.dtype, buffer.values)
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
    this.#sessions.dispose()
    this.#memory.dispose()
    this.#pool.clear()
  }
}

/** tfjs-core's name of the backend on a provider. */
export function backendNameOf(provider: Provider): string {
  return provider === 'cpu' ? 'onnx' : `onnx-${provider}`
}

/** Registers the backend and its kernels with tfjs-core, once a process and provider. */
export function registerOnnxBackend(provider: Provider = 'cpu'): void {
  const backendName = backendNameOf(provider)
  if (tf.findBackendFactory(backendName) !== null) return
  const backend = new OnnxBackend(provider)
  tf.registerBackend(backendName, () => backend, 1)
  for (const kernelName of new Set([...Object.keys(lowerings), ...kernelNames()])) {
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({ inputs, attrs }) =>
        backend.execute(kernelName, present(inputs as Record<string, tf.TensorInfo | undefined>), attrs),
    })
  }
}

/** Inputs that a kernel may go without are there and undefined. */
function present(inputs: Record<string, tf.TensorInfo | undefined>): Record<string, tf.TensorInfo> {
  const given = Object.entries(inputs ?? {}).filter((each) => each[1] !== undefined)
  return Object.fromEntries(given) as Record<string, tf.TensorInfo>
}

/** tfjs-core exports each kernel's name under that name; those of fused kernels have a `_` before them. */
function kernelNames(): string[] {
  return Object.entries(tf).flatMap(([name, value]) =>
    value === name || value === `_${name}` ? [value as string] : [],
  )
}

/** The running backend where it is this one. */
export function currentOnnxBackend(): OnnxBackend | undefined {
  const backend = tf.backend()
  return backend instanceof OnnxBackend ? backend : undefined
}
