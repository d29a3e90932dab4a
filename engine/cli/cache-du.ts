/** @file `flow cache du`: what takes the space. */
import { resolve } from 'node:path'
import { Store } from '../store/store.ts'
import { measureUsage, USAGE_PARTS, type UsagePart } from '../store/usage.ts'
import { sizeText } from '../terminal/quantities.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { tableText } from './table.ts'
import { jsonOption } from './workflow-options.ts'

const meanings: Readonly<Record<UsagePart, string>> = {
  blobs: 'the bytes of all results',
  actions: 'the records that make nodes done',
  logs: 'what stages said',
  views: 'folders rebuilt for stages to read, without what they share with blobs',
  checkpoints: 'of nodes that have not finished',
  attempts: 'of stages that run now',
  failures: 'logs and partial outputs of the latest failures',
  quarantine: 'what was found damaged',
  other: 'journals of runs, ledger, caches',
}

export const cacheDuCommand: CliCommand = {
  name: 'cache du',
  summary: 'Show what takes the space in the store.',
  positionals: [],
  options: jsonOption,
  details: 'Bytes that have several names, such as a blob and the view that links to it, are counted once.',

  async run({ project, options }) {
    const store = await Store.open(resolve(project, '.flow'))
    try {
      const usage = measureUsage(store.layout)
      if (options.has('json')) {
        process.stdout.write(`${JSON.stringify(usage, null, 2)}\n`)
        return exitCode.done
      }
      const rows = USAGE_PARTS.map((part) => {
        const { files, sizeBytes } = usage.parts[part]
        return [part, sizeText(sizeBytes), String(files), meanings[part]]
      })
      const { sizeBytes, files } = usage.total
      process.stdout.write(
        tableText(
          ['what', 'size', 'files', ''],
          [...rows, ['total', sizeText(sizeBytes), String(files), '']],
        ),
      )
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}
