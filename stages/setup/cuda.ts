/**
 * @file `flow setup cuda`: ONNX Runtime's CUDA provider and the libraries of CUDA that it needs, out of the Python wheels of
 * the same version. The provider is linked beside the library of `onnxruntime-node`, where ONNX Runtime looks for it.
 */
import { rmSync, symlinkSync } from 'node:fs'
import { basename, join } from 'node:path'
import { StageFailure } from 'flow/stage'
import { cudaFolder, onnxRuntimeFolder, probeCuda } from '../../lm/tensor/devices/cuda.ts'
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
  const folder = cudaFolder()
  say(`into ${folder}`)
  const wheels = await findWheels(`onnxruntime-gpu[cuda,cudnn]==${basename(folder)}`, signal)
  for (const wheel of wheels.filter(({ name }) => /^(onnxruntime|nvidia)[-_]/.test(name))) {
    await unpackWheel(wheel, folder, ['onnxruntime/capi/libonnxruntime_providers_', 'nvidia/'], context)
  }
  link(join(folder, 'onnxruntime', 'capi'))
  const found = probeCuda()
  say(found.usable ? `${found.description} computes` : `the libraries are there; still, ${found.reason}`)
}

/** `npm ci` removes the links; running the setup again puts them back. */
function link(libraries: string): void {
  for (const name of ['libonnxruntime_providers_shared.so', 'libonnxruntime_providers_cuda.so']) {
    const place = join(onnxRuntimeFolder(), name)
    rmSync(place, { force: true })
    symlinkSync(join(libraries, name), place)
  }
}
