/**
 * @file Results that come from elsewhere (an archive, a shared cache). Nothing of them is placed before every byte was
 * hashed and the record fits what it names; they are then placed as a commit would: blobs first, the record last.
 */
import { createHash } from 'node:crypto'
import { createWriteStream, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parseTree } from '../fingerprint/tree.ts'
import type { CacheKey, ContentHash } from '../identity.ts'
import { StageFailure } from '../stage/failure.ts'
import { writeAtomically } from './atomic-write.ts'
import { Intake } from './blobs.ts'
import { withLock } from './lock.ts'
import { type ActionRecord, parseRecord } from './record.ts'
import { parseSealed } from './sealed-json.ts'
import type { StoreParts } from './store.ts'
import { syncFile } from './sync.ts'

/** Of a record, a listing or a log: far more than any that Flow writes. */
export const MAX_TEXT_BYTES = 64 << 20

/** Blobs by their hash, each checked, in files of this store's own. */
export type Received = Map<ContentHash, string>

/** Throws a `StageFailure` (`foreign-record`) where the text is not the record of `key`. */
export function readForeignRecord(text: string, key: CacheKey): ActionRecord {
  const sealed = parseSealed(text)
  const record = sealed.state === 'whole' ? parseRecord(sealed.value, key) : undefined
  if (record !== undefined) return record
  throw refusal(
    'foreign-record',
    `what is offered as the record of ${key} is not: its seal, form or key is wrong`,
  )
}

/**
 * Writes the bytes to a file of this store's own, no more of them than there should be, and returns its path. Without
 * `sizeBytes` it is a listing, whose size no record tells. Throws a `StageFailure` (`foreign-bytes`) where the bytes are
 * not those of `hash`.
 */
export async function receiveBlob(
  { owner }: StoreParts,
  bytes: AsyncIterable<Uint8Array>,
  hash: ContentHash,
  {
    sizeBytes,
    signal,
  }: { readonly sizeBytes?: number | undefined; readonly signal?: AbortSignal | undefined } = {},
): Promise<string> {
  const path = await owner.temporary()
  const digest = createHash('sha256')
  const mostBytes = sizeBytes ?? MAX_TEXT_BYTES
  let receivedBytes = 0
  const wrong = (what: string) => refusal('foreign-bytes', `what is offered as blob ${hash} ${what}`)
  async function* checked() {
    for await (const chunk of bytes) {
      receivedBytes += chunk.length
      if (receivedBytes > mostBytes) throw wrong(`has more than ${mostBytes} bytes`)
      digest.update(chunk)
      yield chunk
    }
    if (sizeBytes !== undefined && receivedBytes !== sizeBytes)
      throw wrong(`has ${receivedBytes} bytes, not ${sizeBytes}`)
    if (digest.digest('hex') !== hash) throw wrong('holds other bytes')
  }
  try {
    await pipeline(Readable.from(checked()), createWriteStream(path, { flags: 'wx' }), { signal })
    return path
  } catch (error) {
    await rm(path, { force: true })
    throw error
  }
}

/** Reads a small text, no more of it than `MAX_TEXT_BYTES`. */
export async function receiveText(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = []
  let receivedBytes = 0
  for await (const chunk of bytes) {
    receivedBytes += chunk.length
    if (receivedBytes > MAX_TEXT_BYTES) throw refusal('foreign-bytes', 'a record or a log is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

export interface NeededBlob {
  readonly hash: ContentHash
  readonly sizeBytes: number
}

/**
 * What is behind a record whose listings were received or are in this store. Throws a `StageFailure` where a listing is
 * none, or its files are not of the size that the record says.
 */
export function blobsBehind({ layout }: StoreParts, record: ActionRecord, received: Received): NeededBlob[] {
  return Object.values(record.outputs).flatMap(({ hash, kind, sizeBytes }) => {
    if (kind === 'file') return [{ hash, sizeBytes }]
    const text = readFileSync(received.get(hash) ?? layout.blob(hash), 'utf8')
    const files = parseTree(text)?.filter((entry) => entry.kind === 'file')
    if (files === undefined) throw refusal('foreign-bytes', `blob ${hash} is no listing of a folder`)
    if (files.reduce((sum, file) => sum + file.sizeBytes, 0) !== sizeBytes) {
      throw refusal('foreign-record', `the files of folder ${hash} are not of the size recorded`)
    }
    return [{ hash, sizeBytes: Buffer.byteLength(text) }, ...files]
  })
}

/** `present`: the key has a whole result here already. `differs`: and it holds other bytes. */
export type Placed = 'placed' | 'present' | 'differs'

/** All of `needed` was received or is whole in this store. The key's own result stays where there is one. */
export async function placeResult(
  { layout, owner, blobs, actions, lookups }: StoreParts,
  record: ActionRecord,
  { needed, received, log }: { needed: readonly NeededBlob[]; received: Received; log?: string | undefined },
): Promise<Placed> {
  const intake = new Intake()
  const hashes = new Set(needed.map(({ hash }) => hash))
  for (const hash of hashes) {
    const path = received.get(hash)
    if (path !== undefined) await blobs.takeFile(path, false, intake)
  }
  await blobs.place(intake)
  for (const hash of hashes) received.delete(hash)
  return await withLock(owner, layout.lock(`record-${record.key}`), async () => {
    const own = await actions.read(record.key)
    if (own.state === 'found' && (await lookups.damages(own.record)).length === 0) {
      const ports = Object.entries(record.outputs)
      const same = ports.every(([port, { hash }]) => own.record.outputs[port]?.hash === hash)
      return same ? 'present' : 'differs'
    }
    if (log !== undefined) writeAtomically(layout.log(record.key), log, await owner.temporary())
    if (own.state !== 'found') {
      const draft = await actions.draft(record)
      await syncFile(draft)
      return actions.create(record.key, draft) ? 'placed' : 'present'
    }
    // The blobs that the record lost may be others than these: it is replaced by what is whole.
    await actions.replace(record)
    return 'placed'
  })
}

/** Removes what was received and not placed. */
export async function discardReceived(received: Received): Promise<void> {
  for (const path of received.values()) await rm(path, { force: true })
}

function refusal(code: string, message: string): StageFailure {
  return new StageFailure({ code, message })
}
