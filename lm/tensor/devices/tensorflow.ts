/**
 * @file The device `tensorflow`: `@tensorflow/tfjs-node-gpu` or `@tensorflow/tfjs-node` with their native library, in the
 * folder that the environment variable FLOW_TENSORFLOW names, else where `flow setup tensorflow` put them, else in Flow's
 * own. The model code runs there operator by operator.
 */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import util from 'node:util'
import { tf } from '../tf.ts'
import type { Availability } from './availability.ts'

const packages = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const

/** Where `flow setup` keeps what it fetches: it outlives `npm ci`. */
export function setupFolder(device: 'tensorflow' | 'tensorflow-gpu' | 'cuda'): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'flow', device)
}

/** Registers the backend `tensorflow` with tfjs-core, where its library loads and multiplies rightly. */
export async function loadTensorFlow(): Promise<Availability> {
  prepareNode()
  const missing: string[] = []
  for (const place of places()) {
    for (const name of packages) {
      const found = load(place, name)
      if (typeof found === 'string') missing.push(found)
      else if (found !== undefined) return (await product()) ?? found
    }
  }
  const given = process.env.FLOW_TENSORFLOW
  const nowhere = `neither ${packages.join(' nor ')} is installed${given ? ` in ${given}` : ''}`
  return { usable: false, reason: missing.join('; ') || nowhere, remedy: 'flow setup tensorflow' }
}

/** Files below which packages are looked for, in this order. */
function places(): string[] {
  const given = process.env.FLOW_TENSORFLOW
  if (given) return [join(resolve(given), 'package.json')]
  const own = [setupFolder('tensorflow-gpu'), setupFolder('tensorflow')].map((folder) =>
    join(folder, 'package.json'),
  )
  return [...own.filter((file) => existsSync(file)), import.meta.url]
}

function prepareNode(): void {
  // Node 23 dropped two functions that the package calls.
  const legacy = util as unknown as Record<string, unknown>
  legacy.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined
  legacy.isArray ??= Array.isArray
  // TensorFlow prints what it finds in the machine; its warnings stay.
  process.env.TF_CPP_MIN_LOG_LEVEL ??= '1'
}

/** The package, loaded; why it is not; undefined where it is not there. */
function load(place: string, name: string): Availability | string | undefined {
  const require = createRequire(place)
  let location: string
  try {
    location = dirname(require.resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
  if (!existsSync(join(location, 'lib'))) return `${name} is here without its native library`
  const environment = tf.env() as { platform: unknown }
  const { platform } = environment
  try {
    // It sets the same platform once more, and would warn of that.
    environment.platform = undefined
    // It registers its backend with tfjs-core's one engine, even where it brings a copy of that of its own.
    require(name)
    const { isUsingGpuDevice: gpu, binding } = tf.findBackend('tensorflow') as tf.KernelBackend & {
      isUsingGpuDevice: boolean
      binding: { TF_Version: string }
    }
    const description = `${name} with TensorFlow ${binding.TF_Version}, on ${gpu ? 'a GPU' : 'the CPU'}`
    return { usable: true, description, gpu }
  } catch (error) {
    return `${name} does not load: ${String((error as Error).message).split('\n')[0]}`
  } finally {
    // Loaded before, or with an engine of its own, it sets none.
    environment.platform ??= platform
  }
}

/** Undefined where it comes out right. */
async function product(): Promise<Availability | undefined> {
  const before = tf.getBackend()
  await tf.setBackend('tensorflow')
  const values = tf.tidy(() =>
    tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([5, 6, 7, 8], [2, 2])).dataSync(),
  )
  if (before) await tf.setBackend(before)
  if (Array.from(values).join() === '19,22,43,50') return undefined
  return {
    usable: false,
    reason: `TensorFlow multiplied [[1,2],[3,4]] by [[5,6],[7,8]] to [${values}]`,
  }
}
