/** @file ONNX Runtime's native session, called synchronously: a dispatch costs about 10 us. */
import { type OnnxValue, Tensor as OrtTensor } from 'onnxruntime-common'
import { type Binding, binding, initOrt } from 'onnxruntime-node/dist/binding.js'
import type { ElementType, TypedArray } from './dtype.ts'

export interface HostValue {
  readonly dtype: ElementType
  readonly shape: readonly number[]
  readonly values: TypedArray
}

let threads = 1
let started = false

/** Threads that one session may use; applies to sessions created afterwards. */
export function setThreads(count: number): void {
  threads = Math.max(1, Math.floor(count))
}

function ortTensor({ dtype, shape, values }: HostValue): OnnxValue {
  // biome-ignore lint/suspicious/noExplicitAny: the overloads of Tensor cannot be chosen by a union
  return new OrtTensor(dtype as any, values as any, shape as number[]) as unknown as OnnxValue
}

export class Session {
  readonly #native: Binding.InferenceSession

  /** `spinning`: idle threads keep spinning; right for one big graph, ruinous for hundreds of one-operator ones. */
  constructor(model: Uint8Array, options: { readonly spinning: boolean }) {
    if (!started) {
      initOrt()
      started = true
    }
    this.#native = new binding.InferenceSession()
    this.#native.loadModel(model.buffer as ArrayBuffer, model.byteOffset, model.byteLength, {
      executionProviders: ['cpu'],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // One session a shape: an arena each would keep the peak of every shape that ever ran.
      enableCpuMemArena: false,
      enableMemPattern: false,
      logSeverityLevel: 3,
      extra: { session: { intra_op: { allow_spinning: options.spinning ? '1' : '0' } } },
    })
  }

  /** Runs the graph; results are written into the typed arrays of `outputs`. Blocks the event loop. */
  run(inputs: Readonly<Record<string, HostValue>>, outputs: Readonly<Record<string, HostValue>>): void {
    const feeds: Record<string, OnnxValue> = {}
    for (const name in inputs) feeds[name] = ortTensor(inputs[name]!)
    const fetches: Record<string, OnnxValue> = {}
    for (const name in outputs) fetches[name] = ortTensor(outputs[name]!)
    this.#native.run(feeds, fetches, {})
  }

  dispose(): void {
    this.#native.dispose()
  }
}
