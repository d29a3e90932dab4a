/** @file Models and adapters of the Hugging Face hub, as where values of an artifact type come from. */
import type { RemoteSource } from 'flow/artifacts'
import { cacheFolder, findSnapshot } from '../../lm/hub/cache.ts'
import { type FileSelection, parseReference, referencePattern } from '../../lm/hub/repository.ts'

const bytesPerMegabyte = 1e6

export function hubSource(selection: FileSelection): RemoteSource {
  return {
    scheme: 'hf://',
    pattern: referencePattern,
    find: (name) => findSnapshot(cacheFolder(process.env), parseReference(name), selection),
    async fetch(name, { signal, progress }) {
      // Slow to load, and needed once a model.
      const { fetchRepository } = await import('../../lm/hub/fetch-repository.ts')
      return await fetchRepository(parseReference(name), selection, {
        environment: process.env,
        signal,
        onProgress: ({ doneBytes, totalBytes, path }) =>
          progress({
            step: Math.round(doneBytes / bytesPerMegabyte),
            total: Math.ceil(totalBytes / bytesPerMegabyte),
            unit: 'MB',
            note: `downloading ${name}: ${path}`,
          }),
      })
    },
  }
}
