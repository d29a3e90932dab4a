/** @file `flow cache gc`: makes room in the store. */
import { resolve } from 'node:path'
import { collect } from '../store/collect.ts'
import { type CollectPolicy, findGarbage, type Garbage, type Roots } from '../store/garbage.ts'
import { nodesOf } from '../store/listing.ts'
import type { Reader } from '../store/readers.ts'
import { Store } from '../store/store.ts'
import { ageText, countText, sizeText } from '../terminal/quantities.ts'
import type { CliCommand, OptionValues } from './command.ts'
import { exitCode } from './exit-code.ts'
import { countOption, durationOption, sizeOption } from './quantity-options.ts'
import { storeRoots } from './store-roots.ts'
import { tableText } from './table.ts'
import { jsonOption } from './workflow-options.ts'

const KEY_DIGITS = 12
const DEFAULT_KEEP_RUNS = '10'
const DEFAULT_OLDER_THAN = '30d'

export const cacheGcCommand: CliCommand = {
  name: 'cache gc',
  summary: 'Remove what has long been of no use, or the least recently used down to a size.',
  positionals: [],
  options: {
    'keep-runs': {
      type: 'string',
      value: 'N',
      description: `Keep the results of the latest N runs of each workflow (default: ${DEFAULT_KEEP_RUNS}).`,
    },
    'older-than': {
      type: 'string',
      value: '30d',
      description: `Keep what was used since then (default: ${DEFAULT_OLDER_THAN}).`,
    },
    'max-size': {
      type: 'string',
      value: '20GB',
      description: 'Remove the least recently used until .flow takes no more than this.',
    },
    'dry-run': { type: 'boolean', description: 'Show what would go, and remove nothing.' },
    ...jsonOption,
  },
  details: `Pinned results, and those of running nodes and runs, stay in any case. With --max-size alone nothing goes for its age.
Failures, quarantined files and checkpoints go by the same rules. Removed results are made anew when they are next needed.

Runs may go on meanwhile: what they may be using stays until the next collection.`,

  async run({ project, options }) {
    const policy = policyOf(options)
    const store = await Store.open(resolve(project, '.flow'))
    try {
      const roots = await storeRoots(store)
      const garbage = findGarbage(store.layout, roots, policy)
      const dryRun = options.has('dry-run')
      const waitsFor = dryRun ? [] : (await collect(store.parts, garbage)).waitsFor
      const report = { dryRun, ...garbage, waitsFor }
      process.stdout.write(
        options.has('json') ? `${JSON.stringify(report, null, 2)}\n` : reportText(report, roots, policy),
      )
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

function policyOf(options: OptionValues): CollectPolicy {
  const keepRuns = options.text('keep-runs')
  const olderThan = options.text('older-than')
  const maxSize = options.text('max-size')
  const bySizeAlone = maxSize !== undefined && keepRuns === undefined && olderThan === undefined
  const retention = {
    keepRuns: countOption(keepRuns ?? DEFAULT_KEEP_RUNS, '--keep-runs'),
    olderThanMs: durationOption(olderThan ?? DEFAULT_OLDER_THAN, '--older-than'),
  }
  return {
    ...(bySizeAlone ? {} : { retention }),
    ...(maxSize === undefined ? {} : { maxBytes: sizeOption(maxSize, '--max-size') }),
  }
}

interface GcReport extends Garbage {
  readonly dryRun: boolean
  readonly waitsFor: readonly Reader[]
}

function reportText(report: GcReport, roots: Roots, { maxBytes }: CollectPolicy): string {
  const { dryRun, items, blobs, views, sizeBytes, totalBytes, waitsFor } = report
  const nodes = nodesOf(roots.uses)
  const now = Date.now()
  const rows = items.map(({ kind, name, stage = '', usedMs, sizeBytes }) => {
    const users = kind === 'result' || kind === 'checkpoint' ? (nodes.get(name as never) ?? []) : []
    const shown = kind === 'result' || kind === 'checkpoint' ? name.slice(0, KEY_DIGITS) : name
    return [kind, shown, users[0]?.node ?? '', stage, ageText(now - usedMs), sizeText(sizeBytes)]
  })
  const lines: string[] = []
  if (rows.length > 0) lines.push(tableText(['what', 'name', 'node', 'stage', 'used', 'frees'], rows))
  const verb = dryRun ? 'would remove' : 'removed'
  lines.push(
    `${verb} ${countText(items.length, 'item')}, ${countText(blobs.length, 'blob')} and ${countText(views.length, 'view')}: ${sizeText(sizeBytes)} of ${sizeText(totalBytes)}\n`,
  )
  if (waitsFor.length > 0) {
    const readers = waitsFor.map(({ host, pid }) => `process ${pid} on ${host}`).join(', ')
    lines.push(`blobs and views stay until the next collection: ${readers} may be using them\n`)
  }
  if (maxBytes !== undefined && totalBytes - sizeBytes > maxBytes) {
    lines.push(`what is left is more than ${sizeText(maxBytes)}: it is pinned, running, or no result\n`)
  }
  return lines.join('')
}
