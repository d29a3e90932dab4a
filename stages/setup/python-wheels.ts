/**
 * @file Libraries out of Python wheels. pip, by the user's own configuration, says where a wheel lies and what its digest
 * is; the download goes on where a former one was cut, and nothing is unpacked before its digest is right.
 */
import { createReadStream, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { StageFailure } from 'flow/stage'
import { downloadFile } from '../../lm/hub/download-file.ts'
import { outputOf } from './programs.ts'

export interface Wheel {
  readonly name: string
  readonly url: string
  readonly sha256: string
}

export interface SetupContext {
  readonly say: (line: string) => void
  readonly signal: AbortSignal
}

/** Of Linux on x64, down to the oldest C library that the wheels name. */
const platforms = [
  'manylinux_2_28_x86_64',
  'manylinux_2_27_x86_64',
  'manylinux_2_17_x86_64',
  'manylinux2014_x86_64',
]

const pipHint =
  'it needs Python 3 with pip 22.2 or newer (apt-get install python3-pip) and the package registry'

/** The wheels that `requirement` comes to, its dependencies included where pip says so. */
export async function findWheels(requirement: string, signal: AbortSignal): Promise<Wheel[]> {
  const target = ['--python-version', '3.11', '--implementation', 'cp', '--only-binary=:all:']
  const report = await outputOf(
    {
      command: 'python3',
      args: [
        ...[
          '-m',
          'pip',
          'install',
          requirement,
          '--quiet',
          '--dry-run',
          '--ignore-installed',
          '--report',
          '-',
        ],
        // Only because pip asks for a folder of its own where the platform is named.
        ...['--target', join('node_modules', '.none'), ...target],
        ...platforms.flatMap((platform) => ['--platform', platform]),
      ],
      hint: pipHint,
    },
    signal,
  )
  const { install } = JSON.parse(report) as {
    install: {
      metadata: { name: string }
      download_info: { url: string; archive_info: { hash?: string; hashes?: { sha256?: string } } }
    }[]
  }
  return install.map(({ metadata, download_info: { url, archive_info } }) => {
    const sha256 = archive_info.hashes?.sha256 ?? archive_info.hash?.replace(/^sha256=/, '')
    if (sha256 !== undefined) return { name: metadata.name, url, sha256 }
    throw new StageFailure({ code: 'setup-unverified', message: `pip names no digest for ${metadata.name}` })
  })
}

/**
 * Unpacks the files of a wheel whose path begins with one of `prefixes` into `folder`. What was unpacked before, from the
 * same wheel, is left as it is.
 */
export async function unpackWheel(
  { name, url, sha256 }: Wheel,
  folder: string,
  prefixes: readonly string[],
  context: SetupContext,
): Promise<void> {
  const done = join(folder, `${name}.${sha256.slice(0, 16)}.done`)
  if (existsSync(done)) return context.say(`${name} is there`)
  mkdirSync(folder, { recursive: true })
  const file = join(folder, decodeURIComponent(url.split('/').at(-1)!))
  await download({ name, url, sha256 }, file, context)
  const script = `
import sys, zipfile
wheel, folder, *prefixes = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        if name.startswith(tuple(prefixes)): archive.extract(name, folder)
`
  const args = ['-c', script, file, folder, ...prefixes]
  await outputOf({ command: 'python3', args, hint: 'is the disk full?' }, context.signal)
  writeFileSync(done, '')
  rmSync(file)
}

async function download(
  { name, url, sha256 }: Wheel,
  file: string,
  { say, signal }: SetupContext,
): Promise<void> {
  const sizeBytes = await sizeOf(url, signal)
  const megabytes = (bytes: number) => Math.round(bytes / 1e6)
  let tenths = -1
  const onBytes = (done: number) => {
    const reached = Math.floor((10 * done) / sizeBytes)
    if (reached === tenths) return
    tenths = reached
    say(`${name}: ${megabytes(done)} of ${megabytes(sizeBytes)} MB`)
  }
  await downloadFile({ path: name, sizeBytes, etag: sha256 }, file, (offset) => open(url, offset, signal), {
    signal,
    onBytes,
  })
}

async function sizeOf(url: string, signal: AbortSignal): Promise<number> {
  if (url.startsWith('file:')) return statSync(fileURLToPath(url)).size
  const { headers } = await request(url, { method: 'HEAD', signal })
  const length = Number(headers.get('content-length') ?? Number.NaN)
  if (Number.isSafeInteger(length)) return length
  throw new StageFailure({ code: 'setup-download', message: `${url} does not tell its size`, hint: pipHint })
}

async function open(url: string, offset: number, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
  if (url.startsWith('file:')) return createReadStream(fileURLToPath(url), { start: offset })
  const response = await request(url, { headers: { range: `bytes=${offset}-` }, signal })
  const body = response.body as unknown as AsyncIterable<Uint8Array>
  return offset > 0 && response.status !== 206 ? from(offset, body) : body
}

/** Of a server that sends the whole file whatever is asked for. */
async function* from(offset: number, body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let passed = 0
  for await (const chunk of body) {
    const known = Math.min(chunk.length, Math.max(0, offset - passed))
    passed += chunk.length
    if (known < chunk.length) yield chunk.subarray(known)
  }
}

async function request(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init).catch((error: Error) => {
    init.signal?.throwIfAborted()
    throw new StageFailure({
      code: 'setup-download',
      message: `${url} cannot be reached: ${(error.cause as Error | undefined)?.message ?? error.message}`,
      hint: 'behind a proxy: NODE_USE_ENV_PROXY=1, from Node 22.21 or 24.5 on; run again: it goes on where it stopped',
    })
  })
  if (response.ok) return response
  throw new StageFailure({
    code: 'setup-download',
    message: `${url} answers ${response.status} ${response.statusText}`,
    hint: pipHint,
  })
}
