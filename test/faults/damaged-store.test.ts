/**
 * @file Everything that a run leaves in the store is damaged, one file at a time: with a bit flipped (size and time of
 * the last change kept), cut in half, emptied, removed. The next run notices, and all is as it was.
 */
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FaultyProject, nodes } from './faulty-project.ts'

const harms: Readonly<Record<string, (path: string) => void>> = {
  'a bit flipped': (path) => {
    const { atime, mtime } = statSync(path)
    const bytes = readFileSync(path)
    const middle = bytes.length >> 1
    bytes[middle] = (bytes[middle] ?? 0) ^ 4
    chmodSync(path, 0o644)
    writeFileSync(path, bytes)
    utimesSync(path, atime, mtime)
    chmodSync(path, 0o444)
  },
  'cut in half': (path) => truncateSync(path, statSync(path).size >> 1),
  emptied: (path) => truncateSync(path, 0),
  removed: (path) => rmSync(path),
}
/** Every file with every harm takes a while: the tests go through the harms from file to file. */
const everyHarm = process.env.FLOW_SOAK_FAULTS !== undefined

/** Their damage costs an execution; that of the rest is made good without one. */
const results = ['blobs', 'actions']

/** Where the harm shows only to who reads it again: this run does. */
const reader: Readonly<Record<string, readonly string[]>> = { views: ['--refresh', 'list'] }

function placeOf(path: string): string {
  return path.split('/')[1]!
}

/** A listing's view links the blobs themselves: they are damaged in `blobs`. */
function isLinked(project: FaultyProject, path: string): boolean {
  return placeOf(path) === 'views' && lstatSync(join(project.folder, path)).nlink > 1
}

describe('rule 9: never a green run with wrong or missing outputs', () => {
  test('every file of the store damaged, cut, emptied and removed: noticed, and made good', {
    timeout: 600_000,
  }, async () => {
    const project = new FaultyProject()
    expect((await project.run('w.yaml')).code).toBe(0)
    // The second run writes what the first one's clock was too coarse for.
    expect(await project.run('w.yaml')).toMatchObject({ code: 0, reused: nodes })
    const wanted = project.contents()
    const files = project
      .files('.flow')
      .filter((path) => !isLinked(project, path) && placeOf(path) !== 'logs')
    const places = new Set(files.map(placeOf))
    for (const place of [
      ...results,
      'views',
      'ledger',
      'last-runs',
      'latest',
      'marks',
      'runs',
      'stat-cache',
      'layout.json',
    ]) {
      expect(places).toContain(place)
    }
    for (const [index, path] of files.entries()) {
      const names = Object.keys(harms)
      for (const harm of everyHarm ? names : [names[index % names.length]!]) {
        const place = placeOf(path)
        const at = `${path} ${harm}`
        const target = join(project.folder, path)
        // Of a run's own file the history may have been made anew under another name.
        if (statSync(target, { throwIfNoEntry: false }) === undefined) continue
        harms[harm]!(target)
        const run = await project.run('w.yaml', ...(reader[place] ?? []))
        expect({ at, code: run.code, stderr: run.stderr }).toEqual({ at, code: 0, stderr: '' })
        if (results.includes(place))
          expect({ at, rebuilt: run.executed.length > 0 }).toEqual({ at, rebuilt: true })
        expect({ at, contents: project.contents() }).toEqual({ at, contents: wanted })
        expect({ at, faults: project.storeFaults() }).toEqual({ at, faults: [] })
        if (place === 'runs') expect(await project.flow('status', 'w.yaml')).toMatchObject({ stderr: '' })
      }
    }
    expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: [], reused: nodes })
  })

  test("what nobody has made there, in the place of owners, locks, leases, attempts and checkpoints, is in nobody's way", async () => {
    const project = new FaultyProject()
    expect((await project.run('w.yaml')).code).toBe(0)
    const wanted = project.contents()
    const keys = [...project.recordedKeys()]
    const ledger = project
      .files('.flow/ledger')
      .map((path) => path.slice('.flow/ledger/'.length, -'.json'.length))
    for (const id of ledger) project.write(`.flow/locks/destination-${id}`, 'not a link')
    for (const key of keys) {
      project.write(`.flow/locks/record-${key}`, 'not a link')
      project.write(`.flow/leases/${key}`, 'not a link')
      project.write(`.flow/checkpoints/${key}/1/trainer.safetensors`, 'not a checkpoint')
    }
    for (const name of ['nobody-0-000000', '%', 'x'.repeat(200)]) {
      project.write(`.flow/attempts/${name}`, 'not a folder')
      mkdirSync(join(project.folder, `.flow/tmp/${name}`), { recursive: true })
    }
    project.write('.flow/owners/0123456789ab.json', '{"host":')
    project.write('.flow/owners/ba9876543210.json', '')
    for (const name of ['dead', 'locks-of-nobody']) {
      symlinkSync('0123456789ab', join(project.folder, '.flow/locks', name))
    }
    rmSync(join(project.folder, '.flow/actions'), { recursive: true })
    rmSync(join(project.folder, 'out/clean.txt'))
    const run = await project.run('w.yaml')
    expect(run).toMatchObject({ code: 0, stderr: '', executed: nodes })
    expect(project.contents()).toEqual(wanted)
    expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: [], reused: nodes })
  })
})
