import { statSync, utimesSync, writeFileSync } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import { StatCache } from '../../engine/fingerprint/stat-cache.ts'
import { temporaryFolder } from './temporary-store.ts'

/** A clock far ahead of the file system's: nothing looks freshly written. */
const later = { now: () => BigInt(Date.now() + 3_600_000) * 1_000_000n }

function setUp() {
  const folder = temporaryFolder()
  const file = join(folder, 'model.bin')
  writeFileSync(file, 'first')
  return { folder, file, cacheFile: join(folder, 'stat-cache') }
}

/** Rewrites until the file system's clock has ticked, so that the change is one that a stat can show. */
function rewriteKeepingMtime(file: string, text: string): void {
  const before = statSync(file, { bigint: true })
  const mtimeS = Number(before.mtimeNs) / 1e9
  utimesSync(file, mtimeS, mtimeS)
  do {
    writeFileSync(file, text)
    utimesSync(file, mtimeS, mtimeS)
  } while (statSync(file, { bigint: true }).ctimeNs === before.ctimeNs)
}

describe('rule 5: hashing is skipped for unchanged files', () => {
  test('an unchanged file is read once, also across processes and renames', async () => {
    const { folder, file, cacheFile } = setUp()
    const cache = new StatCache(cacheFile, later)
    expect((await cache.hashFile(file)).hash).toBe(sha256('first'))
    expect(await cache.hashFile(file)).toEqual({ hash: sha256('first'), sizeBytes: 5 })
    expect(cache.filesHashed).toBe(1)
    await cache.flush()

    const next = new StatCache(cacheFile, later)
    expect((await next.hashFile(file)).hash).toBe(sha256('first'))
    expect(next.filesHashed).toBe(0)
    // A rename changes the ctime: read again, and rightly so.
    await rename(file, join(folder, 'renamed'))
    expect((await next.hashFile(join(folder, 'renamed'))).hash).toBe(sha256('first'))
  })

  test('a file that was just written is not trusted: its next change may carry the same time', async () => {
    const { file, cacheFile } = setUp()
    const cache = new StatCache(cacheFile)
    for (let round = 0; round < 200; round++) {
      const text = `round ${String(round).padStart(4, '0')}`
      const { mtimeMs } = statSync(file)
      writeFileSync(file, text)
      utimesSync(file, mtimeMs / 1000, mtimeMs / 1000)
      expect((await cache.hashFile(file)).hash).toBe(sha256(text))
    }
  })

  test('a change that keeps size and mtime is noticed by its ctime', async () => {
    const { file, cacheFile } = setUp()
    utimesSync(file, 1000, 1000)
    const cache = new StatCache(cacheFile, later)
    await cache.hashFile(file)
    rewriteKeepingMtime(file, 'FIRST')
    expect((await cache.hashFile(file)).hash).toBe(sha256('FIRST'))
  })

  test('times in whole seconds are trusted only after two of them', async () => {
    const { file, cacheFile } = setUp()
    const { ctimeNs } = statSync(file, { bigint: true })
    utimesSync(file, 4_000_000_000, 4_000_000_000)
    const at = (ns: bigint) => new StatCache(cacheFile, { now: () => ns })
    const wholeSecond = 4_000_000_000n * 1_000_000_000n
    for (const [now, read] of [
      [ctimeNs, 2],
      [wholeSecond + 1_900_000_000n, 2],
      [wholeSecond + 2_100_000_000n, 1],
    ] as const) {
      const cache = at(now)
      await cache.hashFile(file)
      await cache.hashFile(file)
      expect(cache.filesHashed).toBe(read)
    }
  })

  test('rubbish on disk is an empty cache', async () => {
    const { file, cacheFile } = setUp()
    const cache = new StatCache(cacheFile, later)
    await cache.hashFile(file)
    await cache.flush()
    const good = await readFile(cacheFile, 'utf8')
    const flipped = good.replace(sha256('first'), sha256('other'))
    for (const text of [
      '',
      'rubbish',
      '\0\n\n',
      good.slice(0, -10),
      good.slice(10),
      flipped,
      `${good}${good}`,
    ]) {
      await writeFile(cacheFile, text)
      const damaged = new StatCache(cacheFile, later)
      expect((await damaged.hashFile(file)).hash).toBe(sha256('first'))
      expect(damaged.filesHashed).toBe(1)
    }
  })

  test('what another process stored meanwhile is kept', async () => {
    const { folder, file, cacheFile } = setUp()
    const other = join(folder, 'other')
    await writeFile(other, 'second')
    const [one, two] = [new StatCache(cacheFile, later), new StatCache(cacheFile, later)]
    await one.hashFile(file)
    await two.hashFile(other)
    await Promise.all([one.flush(), two.flush()])
    await one.hashFile(other)
    await one.flush()
    await two.hashFile(file)
    await two.flush()
    const both = new StatCache(cacheFile, later)
    await both.hashFile(file)
    await both.hashFile(other)
    expect(both.filesHashed).toBe(0)
  })

  test('hashes files of every size around the read size', async () => {
    const { file, cacheFile } = setUp()
    const cache = new StatCache(cacheFile)
    for (const size of [0, 1, 65_536, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3 << 20]) {
      const bytes = Buffer.alloc(size, size % 251)
      await writeFile(file, bytes)
      expect(await cache.hashFile(file)).toEqual({ hash: sha256(bytes), sizeBytes: size })
    }
  })
})
