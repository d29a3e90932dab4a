import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TestProject } from './test-project.ts'

const workflow = `nodes:
  clean: { uses: trim, in: { text: in.txt } }
  once:  { uses: upper, in: { text: '\${{ nodes.clean.text }}' } }
  both:
    uses: join
    in: { texts: ['\${{ nodes.once.text }}', '\${{ nodes.clean.text }}'] }
    out: { text: both.txt, parts: both }
`

test('rule 9: every blob damaged, and every blob deleted, one at a time: the next run notices and rebuilds', async () => {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': ' x ' })
  expect((await project.run('w.yaml')).code).toBe(0)
  const blobs = project.files('.flow/blobs')
  // "x", "X", "X+x" and the listing of the folder.
  expect(blobs).toHaveLength(4)
  const wanted = blobs.map((path) => project.read(path))

  for (const harm of [damage, remove]) {
    for (const path of blobs) {
      harm(join(project.folder, path))
      const run = await project.run('w.yaml')
      expect({ path, harm: harm.name, code: run.code, stderr: run.stderr }).toEqual({
        path,
        harm: harm.name,
        code: 0,
        stderr: '',
      })
      expect(run.executed.length).toBeGreaterThan(0)
      expect(blobs.map((blob) => project.read(blob))).toEqual(wanted)
    }
  }
  expect(await project.run('w.yaml')).toMatchObject({ executed: [] })
  expect(project.read('both.txt')).toBe('X+x')
})

function damage(path: string): void {
  const bytes = readFileSync(path)
  bytes[0] = (bytes[0] ?? 0) ^ 1
  chmodSync(path, 0o644)
  writeFileSync(path, bytes)
}

function remove(path: string): void {
  rmSync(path)
}
