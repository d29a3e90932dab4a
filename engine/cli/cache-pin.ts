/** @file `flow cache pin NODE [RUN]` and `flow cache unpin NAME`. */
import { resolve } from 'node:path'
import type { CacheKey } from '../identity.ts'
import { readRunUses } from '../run/run-uses.ts'
import { StageFailure } from '../stage/failure.ts'
import type { Pin } from '../store/pins.ts'
import { Store } from '../store/store.ts'
import { suggestionHint } from '../workflow/suggest.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { missingArgument } from './missing-argument.ts'
import { jsonOption } from './workflow-options.ts'

export const cachePinCommand: CliCommand = {
  name: 'cache pin',
  summary: 'Keep a result of a node whatever is collected.',
  positionals: ['NODE', '[RUN]'],
  options: {
    name: { type: 'string', value: 'NAME', description: "The pin's name (default: the node's)." },
    ...jsonOption,
  },
  details: 'Without RUN: the result of the latest run that has one. `flow cache ls --pinned` lists the pins.',

  async run({ project, options, positionals }) {
    const [node, run] = positionals
    if (node === undefined) throw missingArgument('which node? `flow cache pin NODE [RUN]`')
    const flowFolder = resolve(project, '.flow')
    const store = await Store.open(flowFolder)
    try {
      const key = await resultOf(store, node, run)
      const pin: Pin = {
        name: options.text('name') ?? node,
        key,
        node,
        createdAt: new Date().toISOString(),
      }
      await store.pins.add(pin)
      process.stdout.write(
        options.has('json') ? `${JSON.stringify(pin)}\n` : `pinned ${node} as ${pin.name}\n`,
      )
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

export const cacheUnpinCommand: CliCommand = {
  name: 'cache unpin',
  summary: 'Let go of a pinned result.',
  positionals: ['NAME'],
  options: jsonOption,

  async run({ project, options, positionals }) {
    const [name] = positionals
    if (name === undefined) throw missingArgument('which pin? `flow cache unpin NAME`')
    const store = await Store.open(resolve(project, '.flow'))
    try {
      if (!(await store.pins.remove(name))) {
        const known = store.pins.list().map((pin) => pin.name)
        const hint = suggestionHint(name, known, 'pins')
        const message = `there is no pin \`${name}\``
        throw new StageFailure({ code: 'unknown-pin', message, ...(hint === undefined ? {} : { hint }) })
      }
      process.stdout.write(options.has('json') ? `${JSON.stringify({ name })}\n` : `unpinned ${name}\n`)
      return exitCode.done
    } finally {
      await store.close()
    }
  },
}

/** Throws a `StageFailure` where there is no such result, or not all of it. */
async function resultOf(store: Store, node: string, run: string | undefined): Promise<CacheKey> {
  const uses = readRunUses(store.layout.root).filter(
    ({ runId }) => run === undefined || runId.startsWith(run),
  )
  let reason = uses.length === 0 ? 'no such run is known' : 'no such run has that node'
  for (const { keys } of uses) {
    const key = keys.get(node)
    if (key === undefined) continue
    const found = await store.lookup(key)
    if (found.record !== undefined) return key
    reason = found.reason
  }
  const nodes = [...new Set(uses.flatMap(({ keys }) => [...keys.keys()]))]
  const hint = suggestionHint(node, nodes, 'nodes')
  throw new StageFailure({
    code: 'no-result',
    message: `there is no result of \`${node}\`: ${reason}`,
    ...(hint === undefined || nodes.includes(node) ? {} : { hint }),
  })
}
