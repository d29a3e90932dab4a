/** @file The device that a stage computes on, and what its log says of it. */
import { describeCompilations } from '../../lm/tensor/compilations.ts'
import { type Device, startDevice } from '../../lm/tensor/device.ts'

export interface DeviceContext {
  readonly device: string
  readonly threads: number
  log(message: string): void
  /** Of a stage; a command has no log that ends. */
  atEnd?(say: () => string | undefined): void
}

/** Starts the device. The log tells which it is and why, and at the stage's end what was compiled for it. */
export async function openDevice(context: DeviceContext): Promise<Device> {
  const device = await startDevice(context.device, context.threads)
  context.log(`device ${device.name}: ${device.reason}`)
  context.atEnd?.(describeCompilations)
  return device
}
