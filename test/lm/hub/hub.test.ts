/** @file Repositories of the hub: fetched over HTTP, resumed, verified, cached, refused. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { cacheFolder, findSnapshot } from '../../../lm/hub/cache.ts'
import { fetchRepository } from '../../../lm/hub/fetch-repository.ts'
import {
  adapterSelection,
  type FileSelection,
  modelSelection,
  parseReference,
  referencePattern,
} from '../../../lm/hub/repository.ts'
import { rejectionOf } from '../failure-of.ts'
import { commit, HubServer } from './hub-server.ts'

const models = fileURLToPath(new URL('../../fixtures/reference/models', import.meta.url))
const adapters = fileURLToPath(new URL('../../fixtures/reference/adapters', import.meta.url))
const qwen = join(models, 'qwen2')
const weights = 'model.safetensors'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flow-hub-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

interface Asked {
  readonly hub: HubServer
  readonly home?: string
  readonly reference?: string
  readonly selection?: FileSelection
  readonly environment?: Record<string, string>
}

async function fetchFrom({
  hub,
  home = temporaryFolder(),
  reference = 'acme/tiny',
  selection = modelSelection,
  environment = {},
}: Asked) {
  const progress: { doneBytes: number; totalBytes: number; path: string }[] = []
  const folder = await fetchRepository(parseReference(reference), selection, {
    environment: { HF_HOME: home, HF_ENDPOINT: hub.url, ...environment },
    signal: new AbortController().signal,
    onProgress: (step) => progress.push(step),
    retryMs: 1,
  })
  return { folder, progress, home }
}

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
}

describe('fetching', () => {
  it('brings the needed files into the layout of the Hugging Face cache, checked and unaltered', async () => {
    const hub = await HubServer.serving('acme/tiny', qwen, {
      'README.md': '# Tiny',
      'pytorch_model.bin': 'pickled',
    })
    const { folder, progress, home } = await fetchFrom({ hub })
    expect(folder).toBe(join(home, 'hub/models--acme--tiny/snapshots', commit))
    expect(filesOf(folder)).toEqual(readdirSync(qwen).sort())
    for (const file of filesOf(folder)) {
      expect(readFileSync(join(folder, file)).equals(readFileSync(join(qwen, file)))).toBe(true)
    }
    expect(readFileSync(join(home, 'hub/models--acme--tiny/refs/main'), 'utf8')).toBe(commit)
    const totalBytes = readdirSync(qwen).reduce((sum, file) => sum + statSync(join(qwen, file)).size, 0)
    expect(progress.at(-1)).toEqual({ doneBytes: totalBytes, totalBytes, path: weights })
    const cache = cacheFolder({ HF_HOME: home })
    expect(findSnapshot(cache, parseReference('acme/tiny'), modelSelection)).toBe(folder)
    expect(findSnapshot(cache, parseReference(`acme/tiny@${commit}`), modelSelection)).toBe(folder)
    expect(findSnapshot(cache, parseReference('acme/other'), modelSelection)).toBeUndefined()
  })

  it('refuses a hub whose digests would lead out of the cache', async () => {
    const hub = await HubServer.serving('acme/tiny', qwen)
    hub.falseDigest = '../../../../escaped'
    const home = temporaryFolder()
    expect(await rejectionOf(fetchFrom({ hub, home }))).toMatchObject({ code: 'hub-unusable' })
    expect(filesOf(home)).toEqual([])
  })

  it('takes shards, and does not take a part of them for the whole', async () => {
    const hub = await HubServer.serving('acme/tiny', join(models, 'qwen2-sharded'))
    const { folder, home } = await fetchFrom({ hub })
    const cache = cacheFolder({ HF_HOME: home })
    expect(findSnapshot(cache, parseReference('acme/tiny'), modelSelection)).toBe(folder)
    rmSync(join(folder, filesOf(folder).filter((file) => file.endsWith('.safetensors'))[1]!))
    expect(findSnapshot(cache, parseReference('acme/tiny'), modelSelection)).toBeUndefined()
  })

  it('takes adapters', async () => {
    const hub = await HubServer.serving('acme/tiny', join(adapters, 'qwen2'))
    const { folder } = await fetchFrom({ hub, selection: adapterSelection })
    expect(filesOf(folder)).toEqual(['adapter_config.json', 'adapter_model.safetensors'])
  })

  it('goes on where a cut connection left off', async () => {
    const hub = await HubServer.serving('acme/tiny', qwen)
    hub.cutAfterBytes = [1000, 70_000]
    const { folder } = await fetchFrom({ hub })
    expect(readFileSync(join(folder, weights)).equals(readFileSync(join(qwen, weights)))).toBe(true)
    const sizeBytes = statSync(join(qwen, weights)).size
    const parts = hub.requests.filter((request) => /\/storage\//.test(request) && !/bytes=0-0/.test(request))
    expect(parts.map((request) => request.split(' ')[2])).toEqual([
      undefined,
      `bytes=1000-${sizeBytes - 1}`,
      `bytes=71000-${sizeBytes - 1}`,
    ])
  })

  it('goes on where an earlier run left off', async () => {
    const hub = await HubServer.serving('acme/tiny', qwen)
    hub.cutAfterBytes = [5000, 0, 0, 0, 0]
    const home = temporaryFolder()
    const failure = await rejectionOf(fetchFrom({ hub, home }))
    expect(failure.code).toBe('hub-cut')
    expect(failure.message).toMatch(/model\.safetensors stopped at 5000 of \d+ bytes/)
    expect(findSnapshot(cacheFolder({ HF_HOME: home }), parseReference('acme/tiny'), modelSelection)).toBe(
      undefined,
    )
    hub.requests.length = 0
    const { folder } = await fetchFrom({ hub, home })
    expect(readFileSync(join(folder, weights)).equals(readFileSync(join(qwen, weights)))).toBe(true)
    expect(hub.requests.filter((request) => / bytes=5000-/.test(request)).length).toBe(1)
    // Small files were there already.
    expect(hub.requests.filter((request) => /config\.json/.test(request))).toEqual([])
  })

  it('fetches once more what arrived wrong, and refuses it the second time', async () => {
    const hub = await HubServer.serving('acme/tiny', qwen)
    hub.wrongAnswers = 1
    const { folder } = await fetchFrom({ hub })
    expect(readFileSync(join(folder, weights)).equals(readFileSync(join(qwen, weights)))).toBe(true)

    hub.wrongAnswers = 2
    const home = temporaryFolder()
    const failure = await rejectionOf(fetchFrom({ hub, home }))
    expect(failure.code).toBe('hub-damaged')
    expect(failure.message).toMatch(/^model\.safetensors arrived twice/)
    expect(filesOf(home).filter((file) => file.endsWith('.flow-partial'))).toEqual([])
    expect(existsSync(join(home, 'hub/models--acme--tiny/snapshots', commit, weights))).toBe(false)
  })

  it('stops when it is told to', async () => {
    const hub = await HubServer.serving('acme/tiny', qwen)
    const stop = new AbortController()
    const fetching = fetchRepository(parseReference('acme/tiny'), modelSelection, {
      environment: { HF_HOME: temporaryFolder(), HF_ENDPOINT: hub.url },
      signal: stop.signal,
      onProgress: () => stop.abort(new Error('stopped')),
    })
    await expect(fetching).rejects.toThrow('stopped')
  })
})

describe('refusals', () => {
  it('asks for a token where the hub wants one, and sends the one in HF_TOKEN', async () => {
    const hub = await HubServer.serving('acme/tiny', qwen)
    hub.token = 'hf_secret'
    const bare = await rejectionOf(fetchFrom({ hub }))
    expect(bare.code).toBe('hub-refused')
    expect(bare.hint).toContain('HF_TOKEN')
    const wrong = await rejectionOf(fetchFrom({ hub, environment: { HF_TOKEN: 'hf_other' } }))
    expect(`${wrong.message} ${wrong.hint}`).not.toContain('hf_other')
    const odd = await rejectionOf(fetchFrom({ hub, environment: { HF_TOKEN: 'sesame' } }))
    expect(odd.code).toBe('invalid-hub-token')
    expect(`${odd.message} ${odd.hint}`).not.toContain('sesame')
    await fetchFrom({ hub, environment: { HF_TOKEN: 'hf_secret' } })
  })

  it('names what is wrong', async () => {
    const hub = await HubServer.serving('acme/tiny', qwen)
    expect((await rejectionOf(fetchFrom({ hub, reference: 'acme/other' }))).code).toBe('hub-not-found')
    const revision = await rejectionOf(fetchFrom({ hub, reference: 'acme/tiny@v9' }))
    expect(revision.message).toContain('has no `acme/tiny` at `v9`')
    expect((await rejectionOf(fetchFrom({ hub, selection: adapterSelection }))).code).toBe('hub-unusable')
    hub.requests.length = 0
    const offline = await rejectionOf(fetchFrom({ hub, environment: { HF_HUB_OFFLINE: '1' } }))
    expect(offline.code).toBe('hub-offline')
    expect(hub.requests).toEqual([])
    const environment = { HF_ENDPOINT: hub.url }
    await hub.close()
    const unreachable = await rejectionOf(fetchFrom({ hub, environment }))
    expect(unreachable.code).toBe('hub-unreachable')
    expect(unreachable.message).toMatch(/could not be reached for `acme\/tiny` \(.+\)/)
  })

  it('tells references from paths', () => {
    const isReference = (text: string) => new RegExp(`^(?:${referencePattern})$`).test(text)
    expect(['org/name', 'org/name@v1.0', 'Qwen/Qwen2.5-0.5B', 'a/b@refs/pr/1'].every(isReference)).toBe(true)
    expect(
      ['name', 'a/b/c', './a', '/a/b', 'models/x.gguf', 'a b/c', '../a', 'org/'].filter(isReference),
    ).toEqual([])
    expect(parseReference('gpt2')).toEqual({ name: 'gpt2', revision: 'main' })
    for (const text of ['', 'a/b/c', 'a/b@', 'a/b@../x', 'a//b']) {
      expect(() => parseReference(text)).toThrow('does not name a repository')
    }
  })

  it('keeps the cache where the tools of Hugging Face do', () => {
    expect(cacheFolder({ HF_HUB_CACHE: '/a', HF_HOME: '/b' })).toBe('/a')
    expect(cacheFolder({ HF_HOME: '/b', XDG_CACHE_HOME: '/c' })).toBe('/b/hub')
    expect(cacheFolder({ XDG_CACHE_HOME: '/c' })).toBe('/c/huggingface/hub')
    expect(cacheFolder({})).toMatch(/\/\.cache\/huggingface\/hub$/)
  })
})
