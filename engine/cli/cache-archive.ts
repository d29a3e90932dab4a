/** @file `flow cache export FILE` and `flow cache import FILE`. */
import { resolve } from 'node:path'
import type { CacheKey } from '../identity.ts'
import { readRunUses } from '../run/run-uses.ts'
import { StageFailure } from '../stage/failure.ts'
import { exportResults } from '../store/export.ts'
import { importResults } from '../store/import.ts'
import { storedRecords } from '../store/inventory.ts'
import type { RunUse } from '../store/run-use.ts'
import { Store } from '../store/store.ts'
import { countText, sizeText } from '../terminal/quantities.ts'
import type { CliCommand, OptionValues } from './command.ts'
import { exitCode } from './exit-code.ts'
import { missingArgument } from './missing-argument.ts'
import { jsonOption } from './workflow-options.ts'

export const cacheExportCommand: CliCommand = {
  name: 'cache export',
  summary: 'Write results with all their bytes to a tar file.',
  positionals: ['FILE'],
  options: {
    node: {
      type: 'string',
      value: 'NODE',
      description: 'The result of this node, of the latest run with one.',
    },
    run: { type: 'string', value: 'RUN', description: 'All results of this run; with --node that one.' },
    key: { type: 'string', value: 'KEY', description: 'The result with this key, or this beginning of one.' },
    ...jsonOption,
  },
  details: 'Equal results give equal bytes. `flow cache import FILE` takes them in elsewhere.',

  async run({ project, options, positionals }) {
    const [file] = positionals
    if (file === undefined) throw missingArgument('which file? `flow cache export FILE --node NODE`')
    const flowFolder = resolve(project, '.flow')
    const store = await Store.open(flowFolder)
    try {
      const results = selectResults(store, readRunUses(flowFolder), options)
      const exported = await exportResults(store.parts, results, resolve(project, file))
      const text = `wrote ${countText(exported.results, 'result')} with ${countText(exported.blobs, 'blob')} to ${file} (${sizeText(exported.sizeBytes)})`
      process.stdout.write(options.has('json') ? `${JSON.stringify(exported)}\n` : `${text}\n`)
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

export const cacheImportCommand: CliCommand = {
  name: 'cache import',
  summary: 'Take in the results of a tar file; every digest in it is checked first.',
  positionals: ['FILE'],
  options: jsonOption,
  details: `Results that are there already stay as they are. A record says which outputs belong to a key, and nothing but trust
in whoever wrote it says that they are right: import what you would run.`,

  async run({ project, options, positionals }) {
    const [file] = positionals
    if (file === undefined) throw missingArgument('which file? `flow cache import FILE`')
    const store = await Store.open(resolve(project, '.flow'))
    try {
      const { placed, present, differs } = await importResults(store.parts, resolve(project, file))
      await store.settled()
      const parts = [
        `imported ${countText(placed, 'result')}`,
        ...(present > 0 ? [`${present} were there already`] : []),
        ...(differs > 0 ? [`${differs} stay as they are here, with other bytes`] : []),
      ]
      process.stdout.write(
        options.has('json') ? `${JSON.stringify({ placed, present, differs })}\n` : `${parts.join('; ')}\n`,
      )
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

/** Key -> node. Throws a `StageFailure` where nothing fits. */
function selectResults(
  store: Store,
  uses: readonly RunUse[],
  options: OptionValues,
): Map<CacheKey, string | undefined> {
  const node = options.text('node')
  const run = options.text('run')
  const key = options.text('key')
  if (node === undefined && run === undefined && key === undefined) {
    throw missingArgument('which results? `--node NODE`, `--run RUN` or `--key KEY`')
  }
  const found = new Map<CacheKey, string | undefined>()
  if (key !== undefined) {
    for (const result of storedRecords(store.layout)) {
      if (result.key.startsWith(key)) found.set(result.key, undefined)
    }
    if (found.size === 1) return found
    throw noResult(
      `${found.size === 0 ? 'no result has' : 'several results have'} a key that begins with ${key}`,
    )
  }
  const stored = new Set([...storedRecords(store.layout)].map((result) => result.key))
  const use = uses.find(
    ({ runId, keys }) =>
      (run === undefined || runId.startsWith(run)) &&
      (node === undefined || stored.has(keys.get(node) ?? ('' as CacheKey))),
  )
  for (const [name, resultKey] of use?.keys ?? []) {
    if ((node === undefined || name === node) && stored.has(resultKey)) found.set(resultKey, name)
  }
  if (found.size > 0) return found
  throw noResult(
    `the store has no result of ${[node, run].filter((what) => what !== undefined).join(' in run ')}`,
  )
}

function noResult(message: string): StageFailure {
  return new StageFailure({
    code: 'no-result',
    message,
    hint: '`flow cache ls` lists the results, `flow status` the runs',
  })
}
