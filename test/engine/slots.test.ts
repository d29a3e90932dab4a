import { expect, test } from 'vitest'
import { gpuDevices, Slots } from '../../engine/run/slots.ts'

/** A task that ends when the test says so. */
function heldTask() {
  let finish = () => {}
  const done = new Promise<void>((resolve) => {
    finish = resolve
  })
  return { finish, done }
}

const plain = { light: false, gpu: false, priority: 0 }

test('no more tasks at once than slots; the one with the longer way behind it goes first', async () => {
  const slots = new Slots({ jobs: 1, gpus: [] })
  const first = heldTask()
  const order: string[] = []
  const tasks = [
    slots.hold(plain, async () => {
      order.push('first')
      await first.done
    }),
    slots.hold({ ...plain, priority: 1 }, async () => void order.push('short')),
    slots.hold({ ...plain, priority: 5 }, async () => void order.push('long')),
  ]
  await slots.hold({ ...plain, light: true }, async () => void order.push('light'))
  first.finish()
  await Promise.all(tasks)
  expect(order).toEqual(['first', 'light', 'long', 'short'])
})

test('a stage that can use a GPU holds a named device, and no ordinary slot while it waits for one', async () => {
  const slots = new Slots({ jobs: 2, gpus: ['0'] })
  const first = heldTask()
  const devices: (string | undefined)[] = []
  const onGpu = (task?: Promise<void>) =>
    slots.hold({ ...plain, gpu: true }, async (gpu) => {
      devices.push(gpu)
      await task
    })
  const tasks = [onGpu(first.done), onGpu()]
  await slots.hold(plain, async (gpu) => void devices.push(gpu))
  expect(devices).toEqual(['0', undefined])
  first.finish()
  await Promise.all(tasks)
  expect(devices).toEqual(['0', undefined, '0'])
})

test('a failed task frees what it held', async () => {
  const slots = new Slots({ jobs: 1, gpus: ['7'] })
  const gpu = { ...plain, gpu: true }
  await expect(slots.hold(gpu, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  expect(await slots.hold(gpu, async (device) => device)).toBe('7')
})

test('without a GPU, or on the CPU, there are no devices to hold', async () => {
  expect(gpuDevices('cpu', {})).toEqual([])
  expect(gpuDevices('auto', { CUDA_VISIBLE_DEVICES: '' })).toEqual([])
  const slots = new Slots({ jobs: 1, gpus: [] })
  expect(await slots.hold({ ...plain, gpu: true }, async (device) => device)).toBeUndefined()
})
