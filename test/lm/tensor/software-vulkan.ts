/**
 * @file A Vulkan driver that runs on the CPU, for tests of WebGPU on machines without a GPU: SwiftShader, which Debian's
 * package `chromium` brings along (with `libvulkan1`: apt-get install --no-install-recommends chromium libvulkan1).
 */
import { existsSync } from 'node:fs'
import { probeWebgpu } from '../../../lm/tensor/devices/webgpu.ts'

const driver = '/usr/lib/chromium/vk_swiftshader_icd.json'

/** Makes this process use the driver. Returns why WebGPU cannot be tested; undefined where it can. */
export function openSoftwareVulkan(): string | undefined {
  if (!existsSync(driver)) return `there is no software Vulkan driver: no ${driver}`
  process.env.VK_DRIVER_FILES = driver
  const found = probeWebgpu()
  return found.usable ? undefined : found.reason
}
