/** @file The model that a stage is given: the one that its process keeps from an earlier node, else loaded now. */
import { readdirSync, statSync } from 'node:fs'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import type { Kept } from 'flow/stage'
import { type BasePrecision, loadModel, type Model } from '../../lm/model/model.ts'
import type { Device } from '../../lm/tensor/device.ts'
import { tf } from '../../lm/tensor/tf.ts'
import type { DeviceContext } from '../device/open-device.ts'

export interface ModelContext extends DeviceContext {
  /** Of a stage; a command keeps nothing. */
  keep?<Value>(port: 'model', what: string, load: () => Value, release: (value: Value) => void): Kept<Value>
}

export interface OpenModel {
  readonly model: Model
  /** Whether later nodes read it, too, so that it must stay as it is. */
  readonly isShared: boolean
}

/**
 * A kept model lies in memory beside what others compute, merged copies of its weights among it. On the disk it takes
 * half of what it takes in float32, or all of it.
 */
const largestKeptShare = 1 / 16

/**
 * @param folder the stage's input `model`
 * @param device that has been started
 * @throws LmFailure
 */
export function openModel(
  folder: string,
  device: Device,
  context: ModelContext,
  base: BasePrecision = 'fp32',
): OpenModel {
  const startMs = performance.now()
  let isLoaded = false
  const load = () => {
    isLoaded = true
    return loadModel(folder, base)
  }
  const release = ({ weights }: Model) => tf.dispose(weights)
  const { value: model, isShared } =
    context.keep !== undefined && sizeBytes(folder) <= largestKeptShare * totalmem()
      ? context.keep('model', `${base} on ${device.name}`, load, release)
      : { value: load(), isShared: false }
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1)
  context.log(isLoaded ? `model loaded in ${seconds} s` : 'model kept from an earlier node')
  if (model.remark !== undefined) context.log(model.remark)
  return { model, isShared }
}

/** Of a folder, or of a GGUF file; 0 of what is not there, which loading then reports. */
function sizeBytes(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) return 0
  if (!stat.isDirectory()) return stat.size
  return readdirSync(path).reduce((sum, name) => sum + statSync(join(path, name)).size, 0)
}
