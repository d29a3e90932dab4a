/**
 * @file `flow setup cuda`: ONNX Runtime's CUDA provider and the libraries of CUDA that it needs, out of the Python wheels of
 * the same version. They go beside the library of `onnxruntime-node`, where ONNX Runtime looks for them.
 */
import { existsSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { StageFailure } from 'flow/stage'
import { onnxRuntimeFolder, probeCuda } from '../../lm/tensor/devices/cuda.ts'
import { setupFolder } from '../../lm/tensor/devices/tensorflow.ts'
import { findWheels, type SetupContext, unpackWheel } from './python-wheels.ts'

/** @throws StageFailure, LmFailure; run again, it goes on where it stopped */
export async function setUpCuda(context: SetupContext): Promise<void> {
  const { say, signal } = context
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new StageFailure({
      code: 'setup-unsupported',
      message: `ONNX Runtime has CUDA for Linux on x64, not for ${process.platform} ${process.arch}`,
      hint: '`--device webgpu` takes any GPU',
    })
  }
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string }
  const folder = join(setupFolder('cuda'), version)
  say(`into ${folder}`)
  const wheels = await findWheels(`onnxruntime-gpu[cuda,cudnn]==${version}`, signal)
  for (const wheel of wheels.filter(({ name }) => /^(onnxruntime|nvidia)[-_]/.test(name))) {
    await unpackWheel(wheel, folder, ['onnxruntime/capi/libonnxruntime_providers_', 'nvidia/'], context)
  }
  link(join(folder, 'onnxruntime', 'capi'))
  const found = probeCuda()
  say(found.usable ? `${found.description} computes` : `the libraries are there; still, ${found.reason}`)
}

function link(libraries: string): void {
  for (const name of readdirSync(libraries)) {
    const place = join(onnxRuntimeFolder(), name)
    rmSync(place, { force: true })
    if (existsSync(join(libraries, name))) symlinkSync(join(libraries, name), place)
  }
}
