/**
 * @file `flow setup tensorflow`: `@tensorflow/tfjs-node` (or `-gpu`) from npm without its own download, which few machines
 * can reach; TensorFlow's library and headers out of its Python wheel; the package's binding, compiled from its source.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { StageFailure } from 'flow/stage'
import { setupFolder } from '../../lm/tensor/devices/tensorflow.ts'
import { outputOf } from './programs.ts'
import { findWheels, type SetupContext, unpackWheel } from './python-wheels.ts'

const packageVersion = '4.22.0'

/** The newest that passes tfjs-core's own tests whole; for GPUs, one that knows today's. */
const requirements = { cpu: 'tensorflow-cpu==2.15.1', gpu: 'tensorflow[and-cuda]==2.21.0' } as const

const npmHint = 'it needs the npm registry'
const compilerHint = 'it needs g++, make and python3 (apt-get install g++ make python3)'

/** @throws StageFailure, LmFailure; run again, it goes on where it stopped */
export async function setUpTensorFlow({ gpu, ...context }: SetupContext & { gpu: boolean }): Promise<void> {
  const { say, signal } = context
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new StageFailure({
      code: 'setup-unsupported',
      message: `this is for Linux on x64, not for ${process.platform} ${process.arch}`,
      hint: 'install @tensorflow/tfjs-node in a folder and name it in FLOW_TENSORFLOW',
    })
  }
  const folder = setupFolder(gpu ? 'tensorflow-gpu' : 'tensorflow')
  const name = gpu ? '@tensorflow/tfjs-node-gpu' : '@tensorflow/tfjs-node'
  const location = join(folder, 'node_modules', name)
  say(`into ${folder}`)
  await installPackage(folder, name, location, context)

  const libraries = join(folder, 'libraries')
  const wheels = await findWheels(gpu ? requirements.gpu : requirements.cpu, signal)
  const wanted = wheels.filter((wheel) => /^(tensorflow|tensorflow[-_]cpu|nvidia[-_].*)$/.test(wheel.name))
  for (const wheel of wanted) {
    await unpackWheel(
      wheel,
      libraries,
      ['tensorflow/include/', 'tensorflow/libtensorflow_', 'nvidia/'],
      context,
    )
  }
  linkLibraries(location, libraries)
  if (!existsSync(join(location, 'lib'))) {
    say('compiling the binding')
    await compileBinding(location, signal)
  }
  say(await prove(folder, name, signal))
}

async function installPackage(
  folder: string,
  name: string,
  location: string,
  { say, signal }: SetupContext,
): Promise<void> {
  if (existsSync(join(location, 'package.json'))) return say(`${name} is there`)
  say(`${name} ${packageVersion} from npm`)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  const args = [
    'install',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
    '--save-exact',
    `${name}@${packageVersion}`,
  ]
  await outputOf({ command: 'npm', args, folder, hint: npmHint }, signal)
}

/** Where the binding's build looks for them. */
function linkLibraries(location: string, libraries: string): void {
  const tensorflow = join(libraries, 'tensorflow')
  const deps = join(location, 'deps')
  rmSync(deps, { recursive: true, force: true })
  mkdirSync(join(deps, 'lib'), { recursive: true })
  symlinkSync(join(tensorflow, 'include'), join(deps, 'include'))
  for (const [library, link] of [
    ['libtensorflow_cc.so.2', 'libtensorflow.so'],
    ['libtensorflow_framework.so.2', 'libtensorflow_framework.so'],
  ] as const) {
    symlinkSync(join(tensorflow, library), join(deps, 'lib', library))
    symlinkSync(library, join(deps, 'lib', link))
  }
  const nvidia = join(libraries, 'nvidia')
  if (existsSync(nvidia)) symlinkSync(nvidia, join(deps, 'nvidia'))
}

async function compileBinding(location: string, signal: AbortSignal): Promise<void> {
  const args = ['--no-install', 'node-pre-gyp', 'install', '--build-from-source']
  // Node's own headers, where they came with it; else node-gyp fetches them.
  const node = dirname(dirname(process.execPath))
  const headers = existsSync(join(node, 'include', 'node', 'node.h')) ? { npm_config_nodedir: node } : {}
  const program = { command: 'npx', args, folder: location, environment: headers, hint: compilerHint }
  try {
    await outputOf(program, signal)
  } catch (error) {
    rmSync(join(location, 'lib'), { recursive: true, force: true })
    throw error
  }
}

/** In a process of its own: what was loaded cannot be replaced. */
async function prove(folder: string, name: string, signal: AbortSignal): Promise<string> {
  const script = `
const util = require('node:util')
util.isNullOrUndefined ??= (value) => value == null
util.isArray ??= Array.isArray
const tf = require(process.argv[1])
const product = tf.matMul(tf.ones([2, 3]), tf.ones([3, 2])).dataSync().join()
if (product !== '3,3,3,3') throw new Error('a product came out as ' + product)
const { binding, isUsingGpuDevice } = tf.backend()
console.log('TensorFlow ' + binding.TF_Version + ' computes, on ' + (isUsingGpuDevice ? 'a GPU' : 'the CPU'))
`
  const environment = { TF_CPP_MIN_LOG_LEVEL: '1' }
  const hint = `remove ${folder} and run again`
  const args = ['-e', script, join(folder, 'node_modules', name)]
  return (await outputOf({ command: process.execPath, args, folder, environment, hint }, signal))
    .trim()
    .split('\n')
    .at(-1)!
}
