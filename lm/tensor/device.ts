/**
 * @file Chooses the backend. `cpu`: ONNX Runtime, part of the installation. `tensorflow`: `@tensorflow/tfjs-node-gpu`
 * (or `@tensorflow/tfjs-node`), where its native library is installed: in the folder that the environment variable
 * FLOW_TENSORFLOW names, else in Flow's own. `auto`: TensorFlow where it sees a GPU and computes rightly, else
 * `cpu`. What was taken, and why, is part of the answer: nothing falls back silently.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import util from 'node:util'
import { LmFailure } from '../failure.ts'
import { registerOnnxBackend } from './onnx-backend.ts'
import { setThreads } from './session.ts'
import { tf } from './tf.ts'

export interface Device {
  readonly name: 'cpu' | 'tensorflow'
  /** One sentence: what it is and why it was taken. */
  readonly reason: string
}

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const

interface TensorFlow {
  readonly gpu: boolean
  readonly description: string
}

/**
 * Makes a device the current one of this process.
 * @param requested `auto`, `cpu` or `tensorflow`
 * @param threads how many the CPU may use
 * @throws LmFailure `unknown-device`, `device-unusable`
 */
export async function startDevice(requested: string, threads: number): Promise<Device> {
  if (requested === 'cpu') return startOnnx(threads, 'as asked')
  if (requested !== 'auto' && requested !== 'tensorflow') {
    throw new LmFailure({
      code: 'unknown-device',
      message: `there is no device \`${requested}\``,
      hint: 'choose auto, cpu or tensorflow',
    })
  }
  const found = loadTensorFlow()
  if (typeof found === 'string') {
    if (requested === 'auto') return startOnnx(threads, found)
    throw new LmFailure({
      code: 'device-unusable',
      message: `the device tensorflow cannot be used: ${found}`,
      hint: 'lm/README.md says how to install its native library; `--device cpu` needs nothing',
    })
  }
  if (requested === 'auto' && !found.gpu) return startOnnx(threads, `${found.description} sees no GPU`)
  await tf.setBackend('tensorflow')
  proveProduct()
  return {
    name: 'tensorflow',
    reason: `${found.description}, ${found.gpu ? 'on a GPU' : 'on the CPU, as asked'}`,
  }
}

async function startOnnx(threads: number, why: string): Promise<Device> {
  setThreads(threads)
  registerOnnxBackend()
  await tf.setBackend('onnx')
  return { name: 'cpu', reason: `ONNX Runtime on the CPU (${why})` }
}

/** The native backend, registered; or why there is none. */
function loadTensorFlow(): TensorFlow | string {
  const folder = process.env.FLOW_TENSORFLOW
  const require = createRequire(folder ? join(resolve(folder), 'package.json') : import.meta.url)
  // Node 23 dropped two functions that the package calls.
  const legacy = util as unknown as Record<string, unknown>
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined
  legacy.isArray ??= Array.isArray
  // TensorFlow prints what it finds in the machine; its warnings stay.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '1'
  const missing: string[] = []
  for (const name of packages) {
    let location: string
    try {
      location = dirname(require.resolve(`${name}/package.json`))
    } catch {
      continue
    }
    if (!existsSync(join(location, 'lib'))) {
      missing.push(`${name} is here without its native library`)
      continue
    }
    try {
      const { backend } = require(name) as {
        backend(): { isUsingGpuDevice: boolean; binding: { TF_Version: string } }
      }
      const native = backend()
      return {
        gpu: native.isUsingGpuDevice,
        description: `${name} with TensorFlow ${native.binding.TF_Version}`,
      }
    } catch (error) {
      missing.push(`${name} does not load: ${String((error as Error).message).split('\n')[0]}`)
    }
  }
  const place = folder ? ` in ${folder}` : ''
  return missing.join('; ') || `neither ${packages.join(' nor ')} is installed${place}`
}

/** A device is believed after a product of known value came out right. */
function proveProduct(): void {
  const values = tf.tidy(() =>
    tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2])).dataSync(),
  )
  if (Array.from(values).join() === '19,22,43,50') return
  throw new LmFailure({
    code: 'device-unusable',
    message: `TensorFlow multiplied [[1,2],[3,4]] by [[5,6],[7,8]] to [${values}]`,
    hint: 'its libraries do not fit this machine; use `--device cpu`',
  })
}
