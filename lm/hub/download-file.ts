/**
 * @file One file of a repository into the cache. What a cut connection or a killed process leaves is gone on with,
 * and nothing gets its name in the cache before its size and its digest are those that the hub gave.
 */
import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LmFailure } from '../failure.ts'

export interface RemoteFile {
  readonly path: string
  readonly sizeBytes: number
  /** Its name among the blobs: the sha256 of a large file, the git hash (sha1) of a small one. */
  readonly etag: string
}

/** Reads a file from a byte on. */
export type OpenFrom = (offset: number) => Promise<AsyncIterable<Uint8Array>>

export interface DownloadOptions {
  readonly signal: AbortSignal
  readonly onBytes: (doneBytes: number) => void
  /** Waiting time before the second attempt that got no byte; it doubles with each further one. @default 1000 */
  readonly retryMs?: number
}

/** Attempts in a row that may get no byte. */
const fruitlessAttempts = 4

/** @throws LmFailure `hub-cut` where the connection breaks again and again, `hub-damaged` where the content is wrong twice */
export async function downloadFile(
  file: RemoteFile,
  blob: string,
  openFrom: OpenFrom,
  options: DownloadOptions,
): Promise<void> {
  const partial = `${blob}.flow-partial`
  await mkdir(dirname(blob), { recursive: true })
  for (let attempt = 1; ; attempt++) {
    await receive(file, partial, openFrom, options)
    if ((await digestOf(file, partial)) === file.etag) break
    await rm(partial, { force: true })
    if (attempt < 2) continue
    throw new LmFailure({
      code: 'hub-damaged',
      message: `${file.path} arrived twice with another content than was announced (${file.etag.slice(0, 12)})`,
      hint: 'the partial file was removed; try again later, or look at the proxy in between',
    })
  }
  await rename(partial, blob).catch(async (error: NodeJS.ErrnoException) => {
    // Another process has finished the same file first.
    if (error.code !== 'ENOENT' || (await sizeOf(blob)) !== file.sizeBytes) throw error
  })
}

/** Goes on until the partial file has its full size. Written by position, so that two processes do each other no harm. */
async function receive(
  file: RemoteFile,
  partial: string,
  openFrom: OpenFrom,
  { signal, onBytes, retryMs = 1000 }: DownloadOptions,
): Promise<void> {
  let done = (await sizeOf(partial)) ?? 0
  if (done > file.sizeBytes) {
    await rm(partial)
    done = 0
  }
  const handle = await open(partial, done === 0 ? 'w' : 'r+')
  try {
    for (let fruitless = 0; done < file.sizeBytes; ) {
      const before = done
      let cause: unknown = 'the connection was closed'
      try {
        for await (const chunk of await openFrom(done)) {
          signal.throwIfAborted()
          const rest = chunk.subarray(0, file.sizeBytes - done)
          await handle.write(rest, 0, rest.length, done)
          done += rest.length
          onBytes(done)
        }
      } catch (error) {
        signal.throwIfAborted()
        if (error instanceof LmFailure && !mayPass(error)) throw error
        cause = error
      }
      if (done >= file.sizeBytes) break
      fruitless = done > before ? 0 : fruitless + 1
      if (fruitless >= fruitlessAttempts) throw cut(file, done, cause)
      if (fruitless > 0) await pause(retryMs * 2 ** (fruitless - 1), signal)
    }
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A hub that is busy or out of reach now may answer later; one that refuses will refuse again. */
function mayPass({ code }: LmFailure): boolean {
  return code === 'hub-unreachable'
}

function cut(file: RemoteFile, done: number, cause: unknown): LmFailure {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new LmFailure({
    code: 'hub-cut',
    message: `the download of ${file.path} stopped at ${done} of ${file.sizeBytes} bytes: ${reason}`,
    hint: 'run again: it goes on where it stopped',
  })
}

async function sizeOf(path: string): Promise<number | undefined> {
  return (await stat(path).catch(() => undefined))?.size
}

async function digestOf({ etag, sizeBytes }: RemoteFile, path: string): Promise<string> {
  const hash: Hash = etag.length === 64 ? createHash('sha256') : createHash('sha1')
  if (etag.length !== 64) hash.update(`blob ${sizeBytes}\0`)
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk)
  return hash.digest('hex')
}

async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    signal.addEventListener('abort', stop, { once: true })
  })
}
