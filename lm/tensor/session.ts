/** @file ONNX Runtime's native session, called synchronously: a dispatch costs about 10 us. */
import { type OnnxValue, Tensor as OrtTensor } from 'onnxruntime-common'
import { type Binding, binding, initOrt } from 'onnxruntime-node/dist/binding.js'
import { type ElementType, sizeOf, type TypedArray } from './dtype.ts'
import { sumsBytesExactly } from './exact-bytes.ts'
import type { ExternalData } from './graph.ts'
import type { Provider } from './provider.ts'

export interface HostValue {
  readonly dtype: ElementType
  readonly shape: readonly number[]
  readonly values: TypedArray
}

/** What a graph reads at each run, whatever its arguments. */
export type FixedValue =
  | HostValue
  | { readonly dtype: 'int8'; readonly shape: readonly number[]; readonly values: Int8Array }

/** Numbers in the memory of a GPU. Whoever holds one disposes it. */
export class DeviceValue {
  readonly #tensor: OrtTensor
  readonly #released: () => void

  constructor(tensor: OrtTensor, released: () => void) {
    this.#tensor = tensor
    this.#released = released
  }

  get dtype(): ElementType {
    return this.#tensor.type as ElementType
  }

  get size(): number {
    return this.#tensor.size
  }

  get shape(): readonly number[] {
    return this.#tensor.dims
  }

  /** For a session to read, in a shape of as many elements. */
  tensor(shape: readonly number[]): OrtTensor {
    return OrtTensor.fromGpuBuffer(this.#tensor.gpuBuffer, { dataType: this.dtype, dims: shape as number[] })
  }

  dispose(): void {
    this.#tensor.dispose()
    this.#released()
  }
}

export type Input = FixedValue | { readonly shape: readonly number[]; readonly device: DeviceValue }

export interface Output {
  readonly name: string
  /** Undefined where it is known only when the result is there. */
  readonly shape: readonly number[] | undefined
  readonly dtype: ElementType
}

export interface SessionOptions {
  readonly provider: Provider
  /** Idle threads keep spinning; right for one big graph, ruinous for hundreds of one-operator ones. */
  readonly spinning: boolean
  /** Outputs that stay in the device's memory. */
  readonly onDevice?: readonly string[]
  /** Constants that the model names and does not hold; they outlive the session. */
  readonly external?: readonly ExternalData[]
}

let threads = 1
let started = false

/** Threads that one session may use; applies to sessions created afterwards. */
export function setThreads(count: number): void {
  threads = Math.max(1, Math.floor(count))
}

/** Threads of a session created now. */
export function sessionThreads(): number {
  return threads
}

/** Whether results of that kind can stay where `provider` computes. WebGPU has no buffers of bool, and none of 0 bytes. */
export function staysOnDevice(
  provider: Provider,
  { dtype, shape }: Pick<Output, 'dtype' | 'shape'>,
): boolean {
  return provider === 'webgpu' && dtype !== 'bool' && (shape === undefined || sizeOf(shape) > 0)
}

function ortTensor(input: Input): OnnxValue {
  if ('device' in input) return input.device.tensor(input.shape) as unknown as OnnxValue
  const { dtype, shape, values } = input
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of Tensor cannot be chosen by a union
  return new OrtTensor(dtype as any, values as any, shape as number[]) as unknown as OnnxValue
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength)
}

export class Session {
  readonly #native: Binding.InferenceSession
  readonly #onDevice: readonly string[]
  /** Results on the device lie in memory of the native session, which must go after the last of them. */
  #held = 0
  #disposed = false

  /** @throws where the provider cannot run every operator: nothing is left to the CPU behind its back */
  constructor(model: Uint8Array, { provider, spinning, onDevice = [], external = [] }: SessionOptions) {
    if (!started) {
      initOrt()
      started = true
    }
    this.#onDevice = onDevice
    this.#native = new binding.InferenceSession()
    this.#native.loadModel(model.buffer as ArrayBuffer, model.byteOffset, model.byteLength, {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // One session a shape: an arena each would keep the peak of every shape that ever ran.
      enableCpuMemArena: false,
      enableMemPattern: false,
      logSeverityLevel: provider === 'cpu' ? 3 : 4,
      ...(external.length > 0 && {
        externalData: external.map(({ path, data }) => ({ path, data: bytesOf(data) })),
      }),
      preferredOutputLocation: Object.fromEntries(onDevice.map((name) => [name, 'gpu-buffer'])),
      extra: {
        session: {
          // Between runs, too, threads would spin, and take the cores from another session's.
          force_spinning_stop: '1',
          x64quantprecision: sumsBytesExactly ? '0' : '1',
          intra_op: { allow_spinning: spinning ? '1' : '0' },
          disable_cpu_ep_fallback: provider === 'cpu' ? '0' : '1',
        },
      },
    })
  }

  /**
   * Runs the graph. Results are written into the typed arrays of `outputs`; those that stay on the device, and those for
   * which no array is given, are returned. Blocks the event loop.
   */
  run(
    inputs: Readonly<Record<string, Input>>,
    outputs: Readonly<Record<string, HostValue | null>>,
  ): Record<string, DeviceValue | HostValue> {
    const feeds: Record<string, OnnxValue> = {}
    for (const name in inputs) feeds[name] = ortTensor(inputs[name]!)
    const fetches: Record<string, OnnxValue | null> = {}
    for (const name in outputs) fetches[name] = outputs[name] ? ortTensor(outputs[name]) : null
    for (const name of this.#onDevice) fetches[name] = null
    const results = this.#native.run(feeds, fetches, {})
    // Where some results stay on the device, the others come in arrays of their own.
    if (this.#onDevice.length > 0) {
      for (const name in outputs)
        outputs[name]!.values.set((results[name] as unknown as OrtTensor).data as TypedArray)
    }
    const released = () => {
      this.#held--
      this.#endIfUnused()
    }
    const kept: Record<string, DeviceValue | HostValue> = {}
    for (const name in outputs) {
      if (outputs[name] !== null) continue
      const { type, dims, data } = results[name] as unknown as OrtTensor
      kept[name] = { dtype: type as ElementType, shape: dims, values: data as TypedArray }
    }
    for (const name of this.#onDevice) {
      kept[name] = new DeviceValue(results[name] as unknown as OrtTensor, released)
      this.#held++
    }
    return kept
  }

  dispose(): void {
    this.#disposed = true
    this.#endIfUnused()
  }

  #endIfUnused(): void {
    if (this.#disposed && this.#held === 0) this.#native.dispose()
  }
}
