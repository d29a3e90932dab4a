import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startDevice } from '../../../lm/tensor/device.ts'
import { mayHaveGpu } from '../../../lm/tensor/devices/webgpu.ts'
import { tf } from '../../../lm/tensor/tf.ts'

const given = process.env.FLOW_TENSORFLOW
let folder: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flow-device-'))
  process.env.FLOW_TENSORFLOW = folder
})
afterEach(() => {
  rmSync(folder, { recursive: true })
  if (given === undefined) delete process.env.FLOW_TENSORFLOW
  else process.env.FLOW_TENSORFLOW = given
})

/** Installs a package of that name whose files, by path, have these texts. */
function install(name: string, files: Readonly<Record<string, string>>): void {
  const location = join(folder, 'node_modules', name)
  for (const [path, text] of Object.entries({ 'package.json': '{ "main": "index.js" }', ...files })) {
    mkdirSync(join(location, path, '..'), { recursive: true })
    writeFileSync(join(location, path), text)
  }
}

const computes = () => Array.from(tf.tidy(() => tf.add([1, 2], 1).dataSync()))

describe('startDevice', () => {
  it('cpu is ONNX Runtime, whatever else there is', async () => {
    install('@tensorflow/tfjs-node', {
      'lib/binding': '',
      'index.js': 'throw new Error("must not be loaded")',
    })
    expect(await startDevice('cpu', 1)).toEqual({ name: 'cpu', reason: 'ONNX Runtime on the CPU (as asked)' })
    expect(tf.getBackend()).toBe('onnx')
    expect(computes()).toEqual([2, 3])
  })

  it.skipIf(mayHaveGpu())('auto is cpu where there is no GPU, and says so', async () => {
    expect(await startDevice('auto', 1)).toEqual({
      name: 'cpu',
      reason: 'ONNX Runtime on the CPU (this machine has no GPU)',
    })
    expect(computes()).toEqual([2, 3])
  })

  it('tensorflow that is not installed is a failure that says where it was looked for', async () => {
    await expect(startDevice('tensorflow', 1)).rejects.toMatchObject({
      code: 'device-unusable',
      message:
        'the device tensorflow cannot be used: neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node ' +
        `is installed in ${folder}`,
    })
  })

  it('tensorflow without its library is a failure that says what to do', async () => {
    install('@tensorflow/tfjs-node-gpu', { 'index.js': '' })
    await expect(startDevice('tensorflow', 1)).rejects.toMatchObject({
      code: 'device-unusable',
      message:
        'the device tensorflow cannot be used: @tensorflow/tfjs-node-gpu is here without its native library',
      hint: 'flow setup tensorflow; `flow doctor` tells of all devices, `--device cpu` needs nothing',
    })
  })

  it('tensorflow whose library does not load is a failure that says why, of each package', async () => {
    install('@tensorflow/tfjs-node-gpu', { 'lib/binding': '', 'index.js': 'throw new Error("no libcudart")' })
    install('@tensorflow/tfjs-node', { 'lib/binding': '', 'index.js': 'throw new Error("bad image\\nat x")' })
    await expect(startDevice('tensorflow', 1)).rejects.toMatchObject({
      code: 'device-unusable',
      message:
        'the device tensorflow cannot be used: @tensorflow/tfjs-node-gpu does not load: no libcudart; ' +
        '@tensorflow/tfjs-node does not load: bad image',
    })
  })

  it('an unknown device is a failure that names the known ones', async () => {
    await expect(startDevice('tpu', 1)).rejects.toMatchObject({
      code: 'unknown-device',
      message: 'there is no device `tpu`',
      hint: 'choose auto, cpu, webgpu, cuda or tensorflow',
    })
  })
})
