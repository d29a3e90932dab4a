/** @file A repository of the hub into the cache: which files it has, and each of them that is needed and not there. */
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { HubApiError, downloadFile as hubFile, listFiles, modelInfo } from '@huggingface/hub'
import { LmFailure } from '../failure.ts'
import { cachedRepository, cacheFolder, linkIntoSnapshot, writeRef } from './cache.ts'
import { downloadFile, type RemoteFile } from './download-file.ts'
import type { FileSelection, Repository } from './repository.ts'

export interface FetchOptions {
  /** Variables by the names of Hugging Face's tools: HF_TOKEN, HF_ENDPOINT, HF_HUB_OFFLINE, HF_HOME, HF_HUB_CACHE. */
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly signal: AbortSignal
  /** Of all files together. */
  readonly onProgress: (progress: {
    readonly doneBytes: number
    readonly totalBytes: number
    readonly path: string
  }) => void
  /** See `DownloadOptions`. */
  readonly retryMs?: number
}

/**
 * Absolute path of the snapshot. The files are checked against the hub's digests.
 * @throws LmFailure `hub-offline`, `hub-unreachable`, `hub-refused`, `hub-not-found`, `hub-unusable`, `hub-cut`,
 * `hub-damaged`, `invalid-hub-token`
 */
export async function fetchRepository(
  repository: Repository,
  selection: FileSelection,
  options: FetchOptions,
): Promise<string> {
  const { environment, signal } = options
  const { name } = repository
  const hubUrl = environment.HF_ENDPOINT?.replace(/\/+$/, '')
  const hub = hubUrl === undefined ? 'the hub' : `the hub ${hubUrl}`
  const cache = cacheFolder(environment)
  if (isOn(environment.HF_HUB_OFFLINE)) {
    throw new LmFailure({
      code: 'hub-offline',
      message: `\`${name}\` is not in the cache ${cache}, and HF_HUB_OFFLINE forbids to ask the hub`,
      hint: `unset HF_HUB_OFFLINE, or name a folder that holds the ${selection.noun}`,
    })
  }
  const request = {
    ...(hubUrl !== undefined && { hubUrl }),
    ...accessToken(environment),
    fetch: (...[input, init]: Parameters<typeof fetch>) => fetch(input, { ...init, signal }),
  }
  /** What the hub answers in errors, in our words. */
  const asked = async <T>(question: () => Promise<T>): Promise<T> => {
    try {
      return await question()
    } catch (error) {
      signal.throwIfAborted()
      throw hubFailure(error, { ...repository, hub, hasToken: 'accessToken' in request })
    }
  }

  const { commit, files } = await asked(async () => {
    const info = await modelInfo({
      ...request,
      name,
      revision: repository.revision,
      additionalFields: ['sha'],
    })
    const listed: RemoteFile[] = []
    for await (const entry of listFiles({ ...request, repo: { type: 'model', name }, revision: info.sha })) {
      if (entry.type !== 'file' || !selection.isWanted(entry.path)) continue
      const etag = entry.lfs?.oid ?? entry.oid
      if (etag !== undefined) listed.push({ path: entry.path, sizeBytes: entry.size, etag })
    }
    return { commit: info.sha, files: listed.sort(smallFirst) }
  })

  for (const digest of [commit, ...files.map(({ etag }) => etag)]) requireDigest(digest, hub)
  const cached = cachedRepository(cache, repository)
  const totalBytes = files.reduce((total, { sizeBytes }) => total + sizeBytes, 0)
  let before = 0
  for (const file of files) {
    const blob = cached.blob(file.etag)
    if ((await stat(blob).catch(() => undefined))?.size !== file.sizeBytes) {
      const openFrom = async (offset: number) => {
        const content = await asked(() =>
          hubFile({
            ...request,
            repo: { type: 'model', name },
            path: file.path,
            revision: commit,
            xet: false,
          }),
        )
        if (content === null) throw new Error('it is gone from the hub')
        return content.slice(offset).stream() as unknown as AsyncIterable<Uint8Array>
      }
      await downloadFile(file, blob, openFrom, {
        signal,
        ...(options.retryMs !== undefined && { retryMs: options.retryMs }),
        onBytes: (bytes) => options.onProgress({ doneBytes: before + bytes, totalBytes, path: file.path }),
      })
    }
    before += file.sizeBytes
    await linkIntoSnapshot(blob, join(cached.snapshot(commit), file.path))
  }
  if (commit !== repository.revision) await writeRef(cached, repository.revision, commit)
  const folder = cached.snapshot(commit)
  if (selection.isWhole(folder)) return folder
  throw new LmFailure({
    code: 'hub-unusable',
    message: `${hub} has \`${name}\`, but not as a ${selection.noun} that can be read here`,
    hint:
      selection.noun === 'model'
        ? 'it needs config.json, tokenizer.json and weights as safetensors; a .gguf file is fetched by hand and named by its path'
        : 'it needs adapter_config.json and adapter_model.safetensors',
  })
}

/** What a hub calls a commit or a file's content becomes a path in the cache: it must be a sha1 or a sha256. */
function requireDigest(text: string, hub: string): void {
  if (/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(text)) return
  throw new LmFailure({
    code: 'hub-unusable',
    message: `${hub} names a commit or a file by ${JSON.stringify(text)}, which is no digest`,
  })
}

/** Weights come last: where they are, all else is. */
function smallFirst(a: RemoteFile, b: RemoteFile): number {
  const isWeights = ({ path }: RemoteFile) => Number(path.endsWith('.safetensors'))
  return isWeights(a) - isWeights(b) || (a.path < b.path ? -1 : 1)
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && ['1', 'on', 'yes', 'true'].includes(value.toLowerCase())
}

function accessToken({
  HF_TOKEN: token,
}: FetchOptions['environment']): { readonly accessToken: string } | Record<never, never> {
  if (token === undefined || token.trim() === '') return {}
  if (token.trim().startsWith('hf_')) return { accessToken: token.trim() }
  throw new LmFailure({
    code: 'invalid-hub-token',
    message: 'HF_TOKEN does not hold a token of the hub',
    hint: 'one begins with hf_',
  })
}

function hubFailure(
  error: unknown,
  { name, revision, hub, hasToken }: Repository & { readonly hub: string; readonly hasToken: boolean },
): LmFailure {
  const wanted = revision === 'main' ? `\`${name}\`` : `\`${name}\` at \`${revision}\``
  if (!(error instanceof HubApiError)) {
    const { message, cause } = error as Error
    return new LmFailure({
      code: 'hub-unreachable',
      message: `${hub} could not be reached for ${wanted} (${cause instanceof Error ? cause.message : message})`,
      hint: 'a folder of this machine works without a network; HF_ENDPOINT names another hub',
    })
  }
  switch (error.statusCode) {
    case 401:
    case 403:
      return new LmFailure({
        code: 'hub-refused',
        message: `${hub} does not give ${wanted} (${error.statusCode}): it is private, gated or misspelt`,
        hint: hasToken
          ? 'the token in HF_TOKEN does not open it: ask for access on its page'
          : 'put a token that may read it into HF_TOKEN',
      })
    case 404:
      return new LmFailure({
        code: 'hub-not-found',
        message: `${hub} has no ${wanted}`,
        hint: 'look at the spelling; a private one needs HF_TOKEN',
      })
    default:
      return new LmFailure({
        code: 'hub-unreachable',
        message: `${hub} answered ${error.statusCode} when asked for ${wanted}`,
        hint: 'run again later: what has arrived is kept',
      })
  }
}
