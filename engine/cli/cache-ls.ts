/** @file `flow cache ls`: the results in the store. */
import { resolve } from 'node:path'
import { readRunUses } from '../run/run-uses.ts'
import { StageFailure } from '../stage/failure.ts'
import { type Listed, listResults, RESULT_ORDERS, type ResultOrder } from '../store/listing.ts'
import { Store } from '../store/store.ts'
import { ageText, countText, sizeText } from '../terminal/quantities.ts'
import type { CliCommand, OptionValues } from './command.ts'
import { exitCode } from './exit-code.ts'
import { durationOption, sizeOption } from './quantity-options.ts'
import { tableText } from './table.ts'
import { jsonOption } from './workflow-options.ts'

const KEY_DIGITS = 12

export const cacheLsCommand: CliCommand = {
  name: 'cache ls',
  summary: 'List the results in the store.',
  positionals: [],
  options: {
    node: { type: 'string', value: 'NODE', description: 'Only results of this node.' },
    stage: { type: 'string', value: 'STAGE', description: 'Only results of this stage.' },
    'older-than': { type: 'string', value: '30d', description: 'Only what has not been used for this long.' },
    'larger-than': { type: 'string', value: '100MB', description: 'Only results of more than this size.' },
    pinned: { type: 'boolean', description: 'Only pinned results.' },
    sort: { type: 'string', value: 'BY', description: `${RESULT_ORDERS.join(', ')} (default: used).` },
    ...jsonOption,
  },
  details: `Sizes are those of a result's outputs: what several results share is counted for each of them here, and lies on the
disk once (\`flow cache du\`). Use is known of the latest 100 runs; before them, the making of a result counts as its use.`,

  async run({ project, options }) {
    const order = orderOf(options)
    const wanted = filterOf(options)
    const flowFolder = resolve(project, '.flow')
    const store = await Store.open(flowFolder)
    try {
      const listed = listResults(store.layout, store.pins.list(), readRunUses(flowFolder), order)
      const shown = listed.filter(wanted)
      process.stdout.write(options.has('json') ? documentText(shown) : listText(shown))
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

function orderOf(options: OptionValues): ResultOrder {
  const text = options.text('sort') ?? 'used'
  const order = RESULT_ORDERS.find((candidate) => candidate === text)
  if (order !== undefined) return order
  throw new StageFailure({
    code: 'option-value',
    message: `results cannot be sorted by \`${text}\``,
    hint: `orders: ${RESULT_ORDERS.join(', ')}`,
  })
}

function filterOf(options: OptionValues): (result: Listed) => boolean {
  const node = options.text('node')
  const stage = options.text('stage')
  const older = options.text('older-than')
  const larger = options.text('larger-than')
  const unusedSinceMs = older === undefined ? undefined : Date.now() - durationOption(older, '--older-than')
  const minBytes = larger === undefined ? undefined : sizeOption(larger, '--larger-than')
  return (result) =>
    (node === undefined || result.nodes.some((use) => use.node === node)) &&
    (stage === undefined || result.stage === stage) &&
    (unusedSinceMs === undefined || result.usedMs < unusedSinceMs) &&
    (minBytes === undefined || result.sizeBytes > minBytes) &&
    (!options.has('pinned') || result.pins.length > 0)
}

function documentText(results: readonly Listed[]): string {
  const shown = results.map(({ usedMs, ...result }) => ({
    ...result,
    usedAt: new Date(usedMs).toISOString(),
  }))
  return `${JSON.stringify({ results: shown }, null, 2)}\n`
}

function listText(results: readonly Listed[]): string {
  if (results.length === 0) return 'no such results in the store\n'
  const now = Date.now()
  const rows = results.map(({ key, nodes, stage, createdAt, usedMs, sizeBytes, pins }) => [
    key.slice(0, KEY_DIGITS),
    [...new Set(nodes.map(({ node }) => node))].join(', '),
    stage,
    ageText(now - Date.parse(createdAt)),
    ageText(now - usedMs),
    sizeText(sizeBytes),
    pins.join(', '),
  ])
  const sizeBytes = results.reduce((sum, result) => sum + result.sizeBytes, 0)
  const heading = ['key', 'node', 'stage', 'made', 'used', 'size', 'pins']
  return `${tableText(heading, rows)}\n${countText(results.length, 'result')}, ${sizeText(sizeBytes)}\n`
}
