/** @file What `flow setup` fetches: gone on with where it was cut, checked before it is unpacked. */
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { unpackWheel } from '../../stages/setup/python-wheels.ts'
import { setUp } from '../../stages/setup/setup.ts'
import { failureOf, temporaryFolder } from './run-stage.ts'

const python = spawnSync('python3', ['--version']).status === 0
if (!python) console.warn('unpacking of wheels is not tested: python3 is not installed')

const prefixes = ['pkg/lib']
const library = 'x'.repeat(300_000)

/** A wheel with a library and a script. */
function wheelBytes(): Buffer {
  const file = join(temporaryFolder(), 'pkg-1.0-py3-none-any.whl')
  const script = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], 'w') as archive:
    archive.writestr('pkg/lib/one.so', 'x' * 300000)
    archive.writestr('pkg/script.py', 'print()')
`
  execFileSync('python3', ['-c', script, file])
  return readFileSync(file)
}

const servers: ReturnType<typeof createServer>[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1')
  servers.push(server)
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/pkg-1.0-py3-none-any.whl`
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
const context = (said: string[] = []) => ({
  say: (line: string) => said.push(line),
  signal: new AbortController().signal,
})

describe.skipIf(!python)('a wheel', () => {
  /** Sends half of what it would send, and closes; only the third answer is whole. */
  function cutting(bytes: Buffer, ranges: (string | undefined)[], knowsRanges: boolean) {
    return (request: IncomingMessage, response: ServerResponse) => {
      if (request.method === 'HEAD') return response.setHeader('content-length', bytes.length).end()
      const { range } = request.headers
      ranges.push(range)
      const start = knowsRanges ? Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0) : 0
      const rest = bytes.subarray(start)
      response.writeHead(start > 0 ? 206 : 200, { 'content-length': rest.length })
      if (ranges.length > 2) return response.end(rest)
      return response.write(rest.subarray(0, rest.length / 2), () => response.destroy())
    }
  }

  it.each([
    ['where the connection broke', true],
    ['of a server that always sends all of it', false],
  ])('is gone on with %s; only what is wanted is unpacked, and only once', async (_, knowsRanges) => {
    const bytes = wheelBytes()
    const ranges: (string | undefined)[] = []
    const url = await serve(cutting(bytes, ranges, knowsRanges))
    const folder = temporaryFolder()
    const wheel = { name: 'pkg', url, sha256: sha256(bytes) }
    await unpackWheel(wheel, folder, prefixes, context())
    expect(readFileSync(join(folder, 'pkg/lib/one.so'), 'utf8')).toBe(library)
    expect(existsSync(join(folder, 'pkg/script.py'))).toBe(false)
    expect(ranges.length).toBe(3)
    expect(ranges.slice(1).every((range) => Number(/\d+/.exec(range!)![0]) > 0)).toBe(true)
    // The wheel itself is not kept.
    expect(readdirSync(folder).filter((name) => name.includes('.whl'))).toEqual([])

    const said: string[] = []
    await unpackWheel(wheel, folder, prefixes, context(said))
    expect([said, ranges.length]).toEqual([['pkg is there'], 3])
  })

  it('with another digest is not unpacked', async () => {
    const bytes = wheelBytes()
    const url = await serve((request, response) => {
      response.setHeader('content-length', bytes.length).end(request.method === 'HEAD' ? undefined : bytes)
    })
    const folder = temporaryFolder()
    const wheel = { name: 'pkg', url, sha256: '0'.repeat(64) }
    expect(await failureOf(unpackWheel(wheel, folder, prefixes, context()))).toMatchObject({
      code: 'hub-damaged',
    })
    expect(readdirSync(folder)).toEqual([])
  })

  it('that is not there is a failure that says so', async () => {
    const url = await serve((_, response) => response.writeHead(404).end())
    const wheel = { name: 'pkg', url, sha256: '0'.repeat(64) }
    expect(await failureOf(unpackWheel(wheel, temporaryFolder(), prefixes, context()))).toMatchObject({
      code: 'setup-download',
      message: `${url} answers 404 Not Found`,
    })
  })
})

it.each([
  [[], 'no device is named'],
  [['webgpu'], '`webgpu` cannot be set up'],
  [['cuda', 'tensorflow'], '`cuda tensorflow` cannot be set up'],
])('flow setup %j is refused', async (positionals, message) => {
  const given = { project: '/', options: {}, positionals, signal: new AbortController().signal }
  expect(await failureOf(setUp(given))).toMatchObject({ code: 'unknown-device', message })
})
