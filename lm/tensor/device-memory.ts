/**
 * @file Copies between the memory of the process and that of a GPU, by way of Identity graphs: ONNX Runtime's own
 * `getData` of a tensor on a GPU ends the process.
 */
import { type ElementType, onnxType, type TypedArray } from './dtype.ts'
import { irVersion, opsetVersion } from './graph.ts'
import { onnx, type onnxTypes } from './onnx-proto.ts'
import type { Provider } from './provider.ts'
import { type DeviceValue, type HostValue, Session } from './session.ts'

/** y = x, over a list of any length. */
function identity(dtype: ElementType): Uint8Array {
  const list = (name: string): onnxTypes.IValueInfoProto => ({
    name,
    type: { tensorType: { elemType: onnxType[dtype], shape: { dim: [{ dimParam: 'length' }] } } },
  })
  const graph = {
    name: 'copy',
    node: [{ opType: 'Identity', name: 'copy', input: ['x'], output: ['y'] }],
    input: [list('x')],
    output: [list('y')],
  }
  const model = { irVersion, opsetImport: [{ domain: '', version: opsetVersion }], graph }
  return onnx.ModelProto.encode(model).finish()
}

export class DeviceMemory {
  readonly #provider: Provider
  readonly #sessions = new Map<string, Session>()

  constructor(provider: Provider) {
    this.#provider = provider
  }

  upload({ dtype, values }: HostValue): DeviceValue {
    return this.#session(dtype, ['y']).run({ x: { dtype, shape: [values.length], values } }, {})
      .y as DeviceValue
  }

  download(device: DeviceValue, values: TypedArray): void {
    const { dtype, size } = device
    this.#session(dtype, []).run({ x: { shape: [size], device } }, { y: { dtype, shape: [size], values } })
  }

  dispose(): void {
    for (const session of this.#sessions.values()) session.dispose()
    this.#sessions.clear()
  }

  #session(dtype: ElementType, onDevice: readonly string[]): Session {
    const key = `${dtype} ${onDevice}`
    const known = this.#sessions.get(key)
    if (known !== undefined) return known
    const session = new Session(identity(dtype), { provider: this.#provider, spinning: false, onDevice })
    this.#sessions.set(key, session)
    return session
  }
}
