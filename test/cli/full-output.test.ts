import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { expect, test } from 'vitest'
import { flow, TestProject } from './test-project.ts'

test.skipIf(!existsSync('/dev/full'))(
  'a run whose output meets a full disk goes on, says so, and fails in the end (needs /dev/full)',
  async () => {
    const project = new TestProject({
      'w.yaml': 'nodes:\n  t: { uses: trim, in: { text: in.txt }, out: { text: out.txt } }\n',
      'in.txt': ' some text ',
    })
    expect(await runIntoFull(project, '--json')).toEqual(refused)
    expect(project.read('out.txt')).toBe('some text')
    expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: [], reused: ['t'] })
    // What an idle run says goes another way, and may be the only thing that is said.
    expect(await runIntoFull(project)).toEqual(refused)
    expect(await runIntoFull(project, '--json')).toEqual(refused)
  },
)

const refused = {
  code: 1,
  stderr: expect.stringMatching(/^flow: its output cannot be written: .*ENOSPC.*\n$/),
}

async function runIntoFull(project: TestProject, ...options: readonly string[]) {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [flow, 'run', ...options, 'w.yaml'], {
    cwd: project.folder,
    stdio: ['ignore', full, 'pipe'],
  })
  let stderr = ''
  child.stderr?.on('data', (data) => {
    stderr += data
  })
  const code = await new Promise((resolve) => child.on('close', resolve))
  closeSync(full)
  return { code, stderr }
}
