/** @file Runs `prove-product.js`: whether a provider computes a known product rightly, by itself. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Graph } from '../graph.ts'
import type { Provider } from '../provider.ts'

/** Initialising a driver takes a fraction of a second; one that hangs must not hold up the work. */
const patienceMs = 60_000

export interface Proof {
  /** Why the product is not to be had; undefined where it came out right. */
  readonly fault: string | undefined
  /** What the libraries wrote to stderr. */
  readonly log: string
}

export interface ProofOptions {
  readonly environment?: NodeJS.ProcessEnv
  /** Shared libraries to load first. */
  readonly libraries?: readonly string[]
}

export function proveProduct(provider: Provider, { environment, libraries = [] }: ProofOptions = {}): Proof {
  const graph = new Graph(provider)
  const [a, b] = [graph.input('a', [64, 48], 'float32'), graph.input('b', [48, 80], 'float32')]
  const value = graph.op('MatMul', [a, b], {}, [64, 80], 'float32')
  const model = Buffer.from(graph.encode([{ name: 'c', value }]).bytes).toString('base64')
  const script = fileURLToPath(new URL('./prove-product.js', import.meta.url))
  const { status, signal, error, stdout, stderr } = spawnSync(
    process.execPath,
    [script, provider, model, ...libraries],
    {
      encoding: 'utf8',
      env: { ...process.env, ...environment },
      timeout: patienceMs,
    },
  )
  const said = (stdout ?? '').trim().split('\n').at(-1)
  if (status === 0) return { fault: undefined, log: stderr }
  if (error !== undefined) return { fault: error.message, log: stderr ?? '' }
  return {
    fault: signal === null ? said || 'no answer' : `its libraries end the process (${signal})`,
    log: stderr,
  }
}
