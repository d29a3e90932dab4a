/** @file `flow cache verify`: rereads everything in the store. */
import { resolve } from 'node:path'
import { Store } from '../store/store.ts'
import { type VerifyProgress, type VerifyReport, verifyStore } from '../store/verify.ts'
import { countText, sizeText } from '../terminal/quantities.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { jsonOption } from './workflow-options.ts'

const PROGRESS_EVERY_MS = 200

export const cacheVerifyCommand: CliCommand = {
  name: 'cache verify',
  summary: 'Reread every byte of the store; what is damaged is set aside, and its nodes run again.',
  positionals: [],
  options: jsonOption,
  details: `Blobs, views, records, pins and all that is remembered of outputs and runs are checked against their digests.
What is damaged goes to .flow/quarantine. Runs may go on meanwhile.

Exit codes: 0 all is whole, 1 something was damaged or missing.`,

  async run({ project, options }) {
    const store = await Store.open(resolve(project, '.flow'))
    try {
      const report = await verifyStore(store.parts, options.has('json') ? undefined : progressLine())
      process.stdout.write(options.has('json') ? `${JSON.stringify(report, null, 2)}\n` : reportText(report))
      return report.faults.length === 0 ? exitCode.done : exitCode.failed
    } finally {
      await store.close()
    }
  },
}

/** One line that rewrites itself, on a terminal only. */
function progressLine(): ((progress: VerifyProgress) => void) | undefined {
  if (process.stderr.isTTY !== true) return undefined
  let shownAtMs = 0
  return ({ doneBytes, totalBytes }) => {
    const done = doneBytes === totalBytes
    if (!done && Date.now() - shownAtMs < PROGRESS_EVERY_MS) return
    shownAtMs = Date.now()
    const text = `reading: ${sizeText(doneBytes)} of ${sizeText(totalBytes)}`
    process.stderr.write(done ? '\r\u001b[K' : `\r\u001b[K${text}`)
  }
}

function reportText({ checked, bytesRead, faults }: VerifyReport): string {
  const read = `${countText(checked.blobs, 'blob')} (${sizeText(bytesRead)}), ${countText(checked.records, 'record')}, ${countText(checked.views, 'view')}`
  if (faults.length === 0) return `all is whole: ${read}\n`
  const lines = faults.map(
    ({ what, path, message, quarantined }) =>
      `${what} ${path} ${message}${quarantined ? '' : '; its node will run again'}`,
  )
  const set = faults.filter(({ quarantined }) => quarantined).length
  return `${lines.join('\n')}\n\n${countText(faults.length, 'fault')} in ${read}; ${set} set aside in .flow/quarantine\n`
}
