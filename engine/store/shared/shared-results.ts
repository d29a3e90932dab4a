/**
 * @file Results of a shared cache, read through on a miss and written only when told to.
 *
 * Nothing there is believed. A record must carry its own seal, be the record of the key that was asked for (computed
 * anew from its preimage), and be signed where a key is set. Every byte is hashed on its way in, and nothing is placed
 * before all of it is right. What is not is refused, told, and the node runs.
 *
 * What checking cannot tell is whether the outputs of a well-formed record are those of its stage: whoever may write
 * decides what others reuse. Hence no run writes unless it is told to, and readers can ask for a signature.
 */
import { rm, writeFile } from 'node:fs/promises'
import { sha256 } from '../../fingerprint/hash.ts'
import type { CacheKey, ContentHash } from '../../identity.ts'
import type { Progress } from '../../stage/define.ts'
import { isStageFailure } from '../../stage/failure.ts'
import {
  blobsBehind,
  discardReceived,
  placeResult,
  type Received,
  readForeignRecord,
  receiveBlob,
  receiveText,
} from '../incoming.ts'
import { blobsOfRecord } from '../inventory.ts'
import type { ActionRecord } from '../record.ts'
import { seal } from '../sealed-json.ts'
import type { StoreParts } from '../store.ts'
import type { SharedCache } from './shared-cache.ts'
import { openSignedRecord, signRecord } from './signature.ts'

export interface SharedResultsOptions {
  readonly cache: SharedCache
  /** `look`: records only, and nothing is placed. `take`: values are taken in. */
  readonly use: 'look' | 'take'
  /** Whether results are written there. */
  readonly write: boolean
  /** Records are signed with it, and only records signed with it are taken. */
  readonly signingKey?: string | undefined
}

/** What a result is taken in with. */
export interface Taking {
  /** Aborted to leave it. */
  readonly signal?: AbortSignal
  readonly progress?: (progress: Progress) => void
}

export class SharedResults {
  readonly #options: SharedResultsOptions
  readonly #asked = new Map<CacheKey, Promise<ActionRecord | undefined>>()
  /** What was found wrong there may be written over. */
  readonly #refused = new Set<string>()
  readonly #untold: string[] = []
  #tell: ((message: string) => void) | undefined
  #unreachable = false
  #sharing: Promise<void> = Promise.resolve()

  constructor(options: SharedResultsOptions) {
    this.#options = options
  }

  /** Who hears of what was refused, and once that the cache cannot be reached; earlier messages are told now. */
  onWarning(tell: (message: string) => void): void {
    this.#tell = tell
    for (const message of this.#untold.splice(0)) tell(message)
  }

  /** Where a result comes from, as a reason. */
  get origin(): string {
    return this.#options.use === 'look' ? 'in the shared cache' : 'from the shared cache'
  }

  /** A result that is not in the store. Asked once for each key. */
  find(parts: StoreParts, key: CacheKey, taking: Taking = {}): Promise<ActionRecord | undefined> {
    const known = this.#asked.get(key)
    if (known !== undefined) return known
    const asked = this.#attempt(async () => {
      const record = await this.#record(key)
      if (record === undefined || this.#options.use === 'look') return record
      return await this.#take(parts, record, taking)
    }, taking.signal).finally(() => {
      // Whoever comes after the interrupted run asks anew.
      if (taking.signal?.aborted === true) this.#asked.delete(key)
    })
    this.#asked.set(key, asked)
    return asked
  }

  /** Writes a result of the store there, where that is asked for: in the background, one after the other. */
  share(parts: StoreParts, key: CacheKey): void {
    if (!this.#options.write) return
    this.#sharing = this.#sharing.then(() => this.#attempt(() => this.#write(parts, key)))
  }

  /** Resolves when everything is written. */
  settled(): Promise<void> {
    return this.#sharing
  }

  async #record(key: CacheKey): Promise<ActionRecord | undefined> {
    const name = recordName(key)
    const bytes = await this.#options.cache.read(name)
    if (bytes === undefined) return undefined
    try {
      const opened = openSignedRecord(await receiveText(bytes), this.#options.signingKey)
      if ('text' in opened) return readForeignRecord(opened.text, key)
      this.#refuse(name, `the record of key ${key} ${opened.fault}`)
    } catch (error) {
      if (!isStageFailure(error)) throw error
      this.#refuse(name, error.message)
    }
    return undefined
  }

  async #take(
    parts: StoreParts,
    record: ActionRecord,
    { signal, progress }: Taking,
  ): Promise<ActionRecord | undefined> {
    const received: Received = new Map()
    const sizeBytes = Object.values(record.outputs).reduce((sum, output) => sum + output.sizeBytes, 0)
    let takenBytes = 0
    const onBytes = (bytes: number) => {
      takenBytes += bytes
      const total = Math.round(sizeBytes / 1e6)
      const step = Math.min(total, Math.round(takenBytes / 1e6))
      if (total > 0) progress?.({ step, total, unit: 'MB', note: 'from the shared cache' })
    }
    const taking = { parts, received, signal, onBytes }
    try {
      for (const { hash, kind } of Object.values(record.outputs)) {
        if (kind === 'folder' && !(await this.#receive(taking, hash))) return undefined
      }
      const needed = blobsBehind(parts, record, received)
      for (const { hash, sizeBytes } of needed) {
        if (!(await this.#receive(taking, hash, sizeBytes))) return undefined
      }
      await placeResult(parts, record, { needed, received })
      return (await parts.lookups.lookup(record.key)).record
    } catch (error) {
      if (!isStageFailure(error)) throw error
      this.#refuse(recordName(record.key), error.message)
      return undefined
    } finally {
      await discardReceived(received)
    }
  }

  /** False where it is not there. What is in the store already is not fetched. */
  async #receive(
    { parts, received, signal, onBytes }: Receiving,
    hash: ContentHash,
    sizeBytes?: number,
  ): Promise<boolean> {
    if (received.has(hash)) return true
    if ((await parts.blobs.check(hash, sizeBytes)) === 'whole') {
      onBytes(sizeBytes ?? 0)
      return true
    }
    const name = blobName(hash)
    const bytes = await this.#options.cache.read(name)
    if (bytes === undefined) {
      this.#refuse(name, `blob ${hash} is missing there`)
      return false
    }
    try {
      const told = sizeBytes === undefined ? bytes : counted(bytes, onBytes)
      received.set(hash, await receiveBlob(parts, told, hash, { sizeBytes, signal }))
      return true
    } catch (error) {
      if (isStageFailure(error)) this.#refused.add(name)
      throw error
    }
  }

  async #write(parts: StoreParts, key: CacheKey): Promise<undefined> {
    const { cache, signingKey } = this.#options
    const { record } = await parts.lookups.lookup(key)
    if (record === undefined) return
    // Blobs first: a record must not name what is not there.
    for (const hash of blobsOfRecord(parts.layout, record)) {
      const name = blobName(hash)
      if (!this.#refused.has(name) && (await cache.has(name))) continue
      await cache.write(name, { file: parts.layout.blob(hash), sha256: hash })
    }
    // The first result of a key stays there, too, if it is one.
    if (!this.#refused.has(recordName(key)) && (await this.#record(key)) !== undefined) return
    const text = signRecord(seal(record), signingKey)
    const file = await parts.owner.temporary()
    try {
      await writeFile(file, text)
      await cache.write(recordName(key), { file, sha256: sha256(text) })
    } finally {
      await rm(file, { force: true })
    }
  }

  /** A cache that cannot be reached is asked no more: each further attempt might take as long as the first. */
  async #attempt<T>(work: () => Promise<T | undefined>, signal?: AbortSignal): Promise<T | undefined> {
    if (this.#unreachable) return undefined
    try {
      return await work()
    } catch (error) {
      if (this.#unreachable || signal?.aborted === true) return undefined
      this.#unreachable = true
      const { name } = this.#options.cache
      this.#warn(`the shared cache ${name} is left alone from here on: ${messageOf(error)}`)
      return undefined
    }
  }

  #refuse(name: string, message: string): void {
    this.#refused.add(name)
    this.#warn(`refused what the shared cache ${this.#options.cache.name} offers: ${message}`)
  }

  #warn(message: string): void {
    if (this.#tell === undefined) this.#untold.push(message)
    else this.#tell(message)
  }
}

interface Receiving {
  readonly parts: StoreParts
  readonly received: Received
  readonly signal: AbortSignal | undefined
  readonly onBytes: (bytes: number) => void
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onBytes(chunk.length)
    yield chunk
  }
}

function recordName(key: CacheKey): string {
  return `actions/${key.slice(0, 2)}/${key}.json`
}

function blobName(hash: ContentHash): string {
  return `blobs/${hash.slice(0, 2)}/${hash}`
}

/** `fetch` hides in `cause` what really happened. */
function messageOf(error: unknown): string {
  const { message, cause } = error as Error
  const { code, message: reason } = (cause ?? {}) as NodeJS.ErrnoException
  return [message, reason === undefined || reason === '' ? code : reason].filter((text) => text).join(': ')
}
