/**
 * @file A TensorFlow.js backend on ONNX Runtime. Eager: a kernel call runs its lowering as a cached one-operator
 * session. Tracing: kernel calls are recorded into a graph (see `jit.ts`).
 */
import { type Buffer, Buffers } from './buffers.ts'
import { computeOnCpu } from './cpu-fallback.ts'
import { allocate, type ElementType, elementType, sizeOf, type TypedArray, toTypedArray } from './dtype.ts'
import type { Graph, Value } from './graph.ts'
import { KernelSessions } from './kernel-sessions.ts'
import { lower } from './lowerings/index.ts'
import { NoLowering } from './lowerings/lowering.ts'
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
import { withoutComputing } from './uncomputed.ts'
import { untraceable } from './untraceable.ts'

type Inputs = Readonly<Record<string, tf.TensorInfo>>
type Results = tf.TensorInfo | tf.TensorInfo[]

/** What the backend needs of a trace under way. */
export interface Trace {
  readonly graph: Graph
  /** The graph's input for a tensor that was made outside the trace. */
  capture(info: tf.TensorInfo, dtype: ElementType): Value
  /** The numbers of a rounded matrix, made anew for each reading: none of them outlives what it is needed for. */
  captureRounded(info: tf.TensorInfo, matrix: RoundedMatrix): Value
}

export class OnnxBackend extends tf.KernelBackend {
  readonly #buffers: Buffers
  readonly #sessions: KernelSessions
  #trace: Trace | undefined

  constructor(readonly provider: Provider) {
    super()
    this.#buffers = new Buffers(this, provider)
    this.#sessions = new KernelSessions(provider)
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
  view({ dataId }: tf.TensorInfo): TypedArray {
    return this.#buffers.view(dataId)
  }

  /** The symbolic value of a tensor inside the running trace. */
  symbolic(info: tf.TensorInfo): Value {
    const buffer = this.#buffers.of(info.dataId)
    const { graph, capture, captureRounded } = this.#trace!
    if (buffer.kind === 'rounded') return captureRounded(info, buffer.matrix)
    if (buffer.kind === 'plain') return capture(info, buffer.dtype)
    if (buffer.graph !== graph) {
      throw untraceable(
        'a tensor made inside one traced function is used in another',
        'return it and pass it on',
      )
    }
    return graph.reshape(buffer.value, info.shape)
  }

  /** A tensor that stands for `value` inside the running trace. */
  symbol(value: Value): tf.Tensor {
    return tf.engine().makeTensorFromTensorInfo(this.#storeSymbol(value))
  }

  /** Whether the tensor stands for a value of a trace: it has no numbers, and means nothing once the trace is over. */
  isSymbol({ dataId }: tf.TensorInfo): boolean {
    return this.#buffers.of(dataId).kind === 'symbolic'
  }

  /**
   * A matrix held in 8 bits a number where the provider computes from them, and in float32, rounded all the same,
   * where it does not.
   * @param data [rows, columns]
   */
  rounded(data: Float32Array, shape: readonly [number, number]): tf.Tensor {
    const matrix = roundRows(data, shape[1])
    if (this.provider !== 'cpu') return tf.tensor(spreadOut(matrix), [...shape], 'float32')
    const info = this.#buffers.store({ kind: 'rounded', dtype: 'float32', matrix }, shape)
    return tf.engine().makeTensorFromTensorInfo(info)
  }

  /**
   * Runs a compiled graph on tensors and makes tensors of its results.
   * @param lasting names of inputs that will be read again: they stay on the device from the first reading on,
   * others from the second
   * @param fixed inputs that are no tensors
   */
  run(
    session: Session,
    inputs: Inputs,
    outputs: readonly Output[],
    lasting: ReadonlySet<string> = new Set(),
    fixed: Readonly<Record<string, Input>> = {},
  ): tf.TensorInfo[] {
    const feeds: Record<string, Input> = { ...fixed }
    for (const name in inputs) feeds[name] = this.#buffers.input(inputs[name]!, lasting.has(name))
    const fetches: Record<string, HostValue | null> = {}
    for (const output of outputs) {
      if (staysOnDevice(this.provider, output)) continue
      const { name, shape, dtype } = output
      fetches[name] = shape ? { shape, dtype, values: this.#buffers.allocate(dtype, sizeOf(shape)) } : null
    }
    const kept = session.run(feeds, fetches)
    return outputs.map(({ name, shape, dtype }) => {
      const result = kept[name]
      if (result === undefined) return this.#buffers.adopt(fetches[name]!.values, shape!, dtype)
      const buffer: Buffer =
        result instanceof DeviceValue
          ? { kind: 'plain', dtype, device: result, pooled: true }
          : { kind: 'plain', dtype, values: result.values, pooled: false }
      return this.#buffers.store(buffer, shape ?? result.shape)
    })
  }

  execute(kernel: string, inputs: Inputs, attributes: unknown): Results {
    if (this.#trace !== undefined) return this.#record(this.#trace, kernel, inputs, attributes)
    const shared = withoutComputing(this.#buffers, kernel, inputs, attributes)
    if (shared !== undefined) return shared
    try {
      return this.#compute(kernel, inputs, attributes)
    } catch (error) {
      if (!(error instanceof NoLowering)) throw error
      return this.#fallBack(kernel, inputs, attributes, error.message)
    }
  }

  #record(trace: Trace, kernel: string, inputs: Inputs, attributes: unknown): Results {
    const values: Record<string, Value> = {}
    for (const name in inputs) values[name] = this.symbolic(inputs[name]!)
    const result = lowerTraced(trace.graph, kernel, values, attributes)
    if (!Array.isArray(result)) return this.#storeSymbol(result)
    return result.map((value) => this.#storeSymbol(value))
  }

  #compute(kernel: string, inputs: Inputs, attributes: unknown): Results {
    const { session, names, used, outputs, several } = this.#sessions.find(kernel, inputs, attributes)
    const feeds = Object.fromEntries(used.map((position) => [`i${position}`, inputs[names[position]!]!]))
    const tensors = this.run(session, feeds, outputs)
    return several ? tensors : tensors[0]!
  }

  #fallBack(kernel: string, inputs: Inputs, attributes: unknown, why: string): Results {
    const values: Record<string, HostValue> = {}
    for (const name in inputs) {
      const { shape, dtype } = inputs[name]!
      values[name] = { shape, dtype: dtype as ElementType, values: this.view(inputs[name]!) }
    }
    const results = computeOnCpu(kernel, values, attributes, why)
    const adopt = ({ values, shape, dtype }: HostValue) => this.#buffers.adopt(values, shape, dtype)
    return Array.isArray(results) ? results.map(adopt) : adopt(results)
  }

  #storeSymbol(value: Value): tf.TensorInfo {
    const dtype = value.dtype as ElementType
    return this.#buffers.store({ kind: 'symbolic', dtype, graph: this.#trace!.graph, value }, value.shape)
  }

  // What tfjs-core asks of a backend.

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): tf.DataId {
    const type = elementType(dtype)
    const array =
      values === null ? allocate(type, sizeOf(shape)) : toTypedArray(values as ArrayLike<number>, type)
    if (this.#trace === undefined) {
      return this.#buffers.store({ kind: 'plain', dtype: type, values: array, pooled: false }, shape).dataId
    }
    const uniform = array.length > 0 && array.every((each) => Object.is(each, array[0]))
    const graph = this.#trace.graph
    const value = uniform
      ? graph.uniform(array[0]!, [...shape], type)
      : graph.constant(array.slice(), [...shape], type)
    return this.#storeSymbol(value).dataId
  }

  override move(
    dataId: tf.DataId,
    values: tf.backend_util.BackendValues,
    _shape: number[],
    dtype: tf.DataType,
    references: number,
  ): void {
    const type = elementType(dtype)
    const array = toTypedArray(values as ArrayLike<number>, type)
    this.#buffers.keep(dataId, { kind: 'plain', dtype: type, values: array, pooled: false }, references)
  }

  override readSync(dataId: tf.DataId): TypedArray {
    const values = this.#buffers.view(dataId)
    const buffer = this.#buffers.of(dataId)
    return buffer.kind === 'plain' && buffer.pooled ? values.slice() : values
  }

  override async read(dataId: tf.DataId): Promise<TypedArray> {
    return this.readSync(dataId)
  }

  override refCount(dataId: tf.DataId): number {
    return this.#buffers.references(dataId)
  }

  /** tfjs-core calls this for variables alone. */
  override incRef(dataId: tf.DataId): void {
    if (this.#buffers.of(dataId).kind === 'symbolic') {
      throw untraceable('a traced function must not make or assign a variable', 'return the new value')
    }
    this.#buffers.share(dataId)
  }

  override disposeData(dataId: tf.DataId, force = false): boolean {
    return this.#buffers.release(dataId, force)
  }

  override numDataIds(): number {
    return this.#buffers.count
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
    this.#buffers.dispose()
  }
}

function lowerTraced(
  graph: Graph,
  kernel: string,
  values: Record<string, Value>,
  attributes: unknown,
): Value | Value[] {
  try {
    return lower(kernel, graph, values, attributes)
  } catch (error) {
    if (!(error instanceof NoLowering)) throw error
    throw untraceable(error.message, 'compute it from other operations, or outside of the traced function')
  }
}

/** The running backend where it is this one. */
export function currentOnnxBackend(): OnnxBackend | undefined {
  const backend = tf.backend()
  return backend instanceof OnnxBackend ? backend : undefined
}
