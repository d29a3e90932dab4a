/**
 * @file The numbers behind tensors. A plain buffer lives in host memory, in that of the device, or in both: it is
 * uploaded when a session first needs it there, what sessions compute stays on the device, and comes back when somebody
 * reads it. A matrix may be held rounded, and in a trace a tensor has a symbol for its numbers.
 */
import { BufferPool } from './buffer-pool.ts'
import { DeviceMemory } from './device-memory.ts'
import type { ElementType, TypedArray } from './dtype.ts'
import type { Graph, Value } from './graph.ts'
import type { Provider } from './provider.ts'
import { type RoundedMatrix, spreadOut } from './rounded-matrix.ts'
import { type DeviceValue, type Input, staysOnDevice } from './session.ts'
import { tf } from './tf.ts'
import { untraceable } from './untraceable.ts'

/** On the host, on the device, or on both. */
export interface PlainBuffer {
  readonly kind: 'plain'
  readonly dtype: ElementType
  values?: TypedArray
  device?: DeviceValue
  /** `values` come from the pool, so they may be handed out again once nobody holds them. */
  readonly pooled: boolean
  /** A session has read it from the host. */
  fed?: boolean
}

export interface RoundedBuffer {
  readonly kind: 'rounded'
  readonly dtype: 'float32'
  readonly matrix: RoundedMatrix
}

/** A value of `graph`, which is being traced. */
export interface SymbolicBuffer {
  readonly kind: 'symbolic'
  readonly dtype: ElementType
  readonly graph: Graph
  readonly value: Value
}

export type Buffer = PlainBuffer | RoundedBuffer | SymbolicBuffer

interface Stored {
  readonly buffer: Buffer
  /** Tensors that have it. */
  references: number
}

export class Buffers {
  readonly #provider: Provider
  /** Fetches tensors of other backends when a kernel here first asks for them. */
  readonly #stored: tf.DataStorage<Stored>
  readonly #pool = new BufferPool()
  readonly #memory: DeviceMemory

  /** @param backend whose tensors these are */
  constructor(backend: tf.KernelBackend, provider: Provider) {
    this.#provider = provider
    this.#stored = new tf.DataStorage(backend, tf.engine())
    this.#memory = new DeviceMemory(provider)
  }

  get count(): number {
    return this.#stored.numDataIds()
  }

  of(id: tf.DataId): Buffer {
    return this.#stored.get(id).buffer
  }

  /** The tensor of a new buffer. */
  store(buffer: Buffer, shape: readonly number[]): tf.TensorInfo {
    const dataId = {}
    this.keep(dataId, buffer)
    return { dataId, shape: [...shape], dtype: buffer.dtype }
  }

  keep(id: tf.DataId, buffer: Buffer, references = 1): void {
    this.#stored.set(id, { buffer, references })
  }

  /** A typed array to be filled and handed to `adopt`. Its content is undefined. */
  allocate(dtype: ElementType, length: number): TypedArray {
    return this.#pool.take(dtype, length)
  }

  /** Makes an array of `allocate` a tensor's. */
  adopt(values: TypedArray, shape: readonly number[], dtype: ElementType): tf.TensorInfo {
    return this.store({ kind: 'plain', dtype, values, pooled: true }, shape)
  }

  /** The numbers behind a tensor, not copied: read at once and never kept. */
  view(id: tf.DataId): TypedArray {
    const buffer = this.of(id)
    if (buffer.kind === 'symbolic') {
      throw untraceable("a traced function must not read a tensor's numbers", 'they exist only when it runs')
    }
    if (buffer.kind === 'rounded') return spreadOut(buffer.matrix)
    if (buffer.values === undefined) {
      buffer.values = this.allocate(buffer.dtype, buffer.device!.size)
      this.#memory.download(buffer.device!, buffer.values)
    }
    return buffer.values
  }

  /**
   * What a session reads.
   * @param lasting it will be read again: it stays on the device from the first reading on, others from the second
   */
  input({ dataId, shape }: tf.TensorInfo, lasting: boolean): Input {
    const buffer = this.of(dataId)
    const device = buffer.kind === 'plain' ? buffer.device : undefined
    if (device !== undefined) return { shape, device }
    const host = { dtype: buffer.dtype, shape, values: this.view(dataId) }
    if (buffer.kind !== 'plain' || !staysOnDevice(this.#provider, host)) return host
    if (!lasting && !buffer.fed) {
      buffer.fed = true
      return host
    }
    buffer.device = this.#memory.upload(host)
    return { shape, device: buffer.device }
  }

  /** 0 where there is none of that name. */
  references(id: tf.DataId): number {
    return this.#stored.has(id) ? this.#stored.get(id).references : 0
  }

  /** Another tensor has this buffer. */
  share(id: tf.DataId): void {
    this.#stored.get(id).references++
  }

  /** A tensor less has it. @returns whether it is gone */
  release(id: tf.DataId, force: boolean): boolean {
    if (!this.#stored.has(id)) return true
    const stored = this.#stored.get(id)
    stored.references--
    if (!force && stored.references > 0) return false
    this.#stored.delete(id)
    const { buffer } = stored
    if (buffer.kind !== 'plain') return true
    buffer.device?.dispose()
    if (buffer.pooled && buffer.values !== undefined) this.#pool.give(buffer.dtype, buffer.values)
    return true
  }

  dispose(): void {
    this.#memory.dispose()
    this.#pool.clear()
  }
}
