import { constants, copyFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import { openStore, preimageOf, temporaryFolder } from './temporary-store.ts'

const SIZE_BYTES = 64 << 20

/** Why copies here cannot share their bytes with what they were copied from. */
function missingReflinks(folder: string): string | undefined {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  writeFileSync(from, 'x')
  try {
    copyFileSync(from, to, constants.COPYFILE_FICLONE_FORCE)
    return undefined
  } catch (error) {
    return `the file system of ${folder} has no reflinks (${(error as NodeJS.ErrnoException).code}): values are copied`
  }
}

test('rule 10: a materialised file shares its bytes with the store where the file system can', async (context) => {
  const project = temporaryFolder()
  const reason = missingReflinks(project)
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`)
    return context.skip(reason)
  }
  const store = await openStore(project)
  const attempt = await store.begin(cacheKey(preimageOf(1)))
  writeFileSync(attempt.outputPath('log'), Buffer.alloc(SIZE_BYTES, 'not all zero'))
  const { outputs } = await store.commit(attempt, {
    preimage: preimageOf(1),
    outputs: { log: { type: 'training-log', kind: 'file' } },
    startedAt: new Date(0).toISOString(),
    durationMs: 5,
  })
  const freeBytes = () => {
    const { bavail, bsize } = statfsSync(project)
    return bavail * bsize
  }
  const before = freeBytes()
  await store.materialise(outputs.log!.hash, 'file', 'out/log')
  expect(before - freeBytes()).toBeLessThan(SIZE_BYTES / 2)
})
