/** @file The command line that all comparisons share, and the sizes of a comparison's own works as flags. */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'

export interface Options {
  /** Folder of a checkpoint. */
  readonly model: string
  /** Folder with data sets that do not come along. */
  readonly data: string
  /** Interpreters of peers; a peer without one is left out. */
  readonly torch: string | undefined
  readonly llama: string | undefined
  readonly threads: number
  /** Names of works; none: all. */
  readonly only: readonly string[]
  /** Where the outcomes go. */
  readonly json: string
  /** By flag. */
  readonly sizes: Readonly<Record<string, number>>
}

const usage = `
  --model FOLDER   a checkpoint in the Hugging Face layout (checkpoints/tiny-base)
  --torch PYTHON   an interpreter with test/reference/requirements.txt: its peers run beside Flow
  --llama PYTHON   an interpreter with llama-cpp-python, likewise
  --data FOLDER    where alpaca_en_demo.json and dpo_en_demo.json lie (data)
  --only WORK      does this work alone; may be repeated
  --threads N      threads of every contestant (one a core)
  --json FILE      where the outcomes go`

/** @returns a text where the command line is wrong */
export function readOptions(
  argv: readonly string[],
  name: string,
  works: readonly string[],
  sizes: Readonly<Record<string, number>>,
): Options | string {
  const flags = Object.entries(sizes).map(([flag, size]) => `  --${flag} N (${size})`)
  const help = `npm run bench -- ${name} [options]\n${usage}\n${flags.join('\n')}\n\nworks: ${works.join(', ')}`
  try {
    const text = (value?: string) => ({
      type: 'string' as const,
      ...(value !== undefined && { default: value }),
    })
    const { values } = parseArgs({
      args: [...argv],
      options: {
        model: text('checkpoints/tiny-base'),
        data: text('data'),
        torch: text(),
        llama: text(),
        threads: text(String(availableParallelism())),
        only: { type: 'string', multiple: true, default: [] },
        json: text(`node_modules/.cache/flow/bench/${name}.json`),
        ...Object.fromEntries(Object.entries(sizes).map(([flag, size]) => [flag, text(String(size))])),
      },
    })
    const given = values as Record<string, string | string[] | undefined>
    const count = (flag: string) => {
      const value = Number(given[flag])
      if (Number.isSafeInteger(value) && value > 0) return value
      throw new Error(`--${flag} takes a positive whole number, not \`${given[flag]}\``)
    }
    const only = given.only as string[]
    const unknown = only.find((each) => !works.includes(each))
    if (unknown !== undefined) throw new Error(`there is no work \`${unknown}\``)
    const folder = (flag: 'model' | 'data') => {
      const path = resolve(given[flag] as string)
      if (existsSync(path)) return path
      throw new Error(`--${flag}: there is no ${path}`)
    }
    return {
      model: folder('model'),
      data: folder('data'),
      torch: given.torch as string | undefined,
      llama: given.llama as string | undefined,
      threads: count('threads'),
      only,
      json: resolve(given.json as string),
      sizes: Object.fromEntries(Object.keys(sizes).map((flag) => [flag, count(flag)])),
    }
  } catch (error) {
    return `${(error as Error).message}\n\n${help}`
  }
}
