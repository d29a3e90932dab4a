import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import type { Findings } from '../../stages/doctor/examine.ts'
import { page } from '../../stages/doctor/page.ts'
import { temporaryFolder } from './run-stage.ts'

const flow = fileURLToPath(new URL('../../engine/cli/flow.js', import.meta.url))

it('flow doctor --json tells of each device, and ends well where workflows can run', () => {
  const folder = temporaryFolder()
  const environment = { ...process.env, FLOW_TENSORFLOW: folder }
  const { status, stdout } = spawnSync(process.execPath, [flow, 'doctor', '--json'], {
    cwd: folder,
    env: environment,
    encoding: 'utf8',
  })
  const findings = JSON.parse(stdout) as Findings
  expect(status).toBe(0)
  expect(findings).toMatchObject({ ready: true, node: process.versions.node, project: { writable: true } })
  expect(findings.memory.freeBytes).toBeLessThanOrEqual(findings.memory.totalBytes)
  expect(findings.devices.map(({ name }) => name)).toEqual(['cpu', 'webgpu', 'cuda', 'tensorflow'])
  expect(findings.devices[0]).toMatchObject({ usable: true, gpu: false })
  expect(findings.devices[3]).toMatchObject({
    usable: false,
    about: `neither @tensorflow/tfjs-node-gpu nor @tensorflow/tfjs-node is installed in ${folder}`,
    remedy: 'flow setup tensorflow',
  })
})

it('a person reads the same, with what would help', () => {
  const findings: Findings = {
    ready: false,
    faults: ['/work cannot be written: runs keep their results in it'],
    node: '20.20.2',
    platform: 'linux x64',
    processor: { model: 'Some CPU', threads: 2 },
    memory: { totalBytes: 16e9, freeBytes: 8e9 },
    project: { path: '/work', writable: false, freeBytes: 5e9 },
    devices: [
      { name: 'cpu', usable: true, gpu: false, about: 'ONNX Runtime on the CPU' },
      { name: 'cuda', usable: false, gpu: false, about: 'it is not installed', remedy: 'flow setup cuda' },
    ],
    auto: 'cpu',
  }
  expect(page(findings)).toBe(`Node.js    20.20.2      linux x64
processor  2 threads    Some CPU
memory     16 GB        8.0 GB free
project    5.0 GB free  /work

device  usable
cpu     yes     ONNX Runtime on the CPU
cuda    no      it is not installed
                -> flow setup cuda

/work cannot be written: runs keep their results in it
Workflows cannot run here.
`)
  expect(page({ ...findings, ready: true, faults: [] })).toContain(
    '\nWorkflows can run; --device auto takes cpu.\n',
  )
})
