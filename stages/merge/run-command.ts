/** @file The options of `flow merge` checked, the models that they name found, and the result put in its place. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { type CommandContext, StageFailure } from 'flow/stage'
import { adapterSelection, type FileSelection, modelSelection } from '../../lm/hub/repository.ts'
import { locate } from '../hub/locate.ts'
import { mergeModel } from './merge.ts'

export async function runCommand({ project, options, positionals, signal }: CommandContext): Promise<number> {
  const [extra] = positionals
  if (extra !== undefined) {
    throw new StageFailure({
      code: 'unexpected-argument',
      message: `flow merge takes options only, not \`${extra}\``,
      hint: `write --model ${extra} or --adapter ${extra}`,
    })
  }
  const format = oneOf('format', options.format, ['huggingface', 'gguf'])
  const dtype = oneOf('dtype', options.dtype, ['auto', 'fp32', 'fp16', 'bf16', 'q8_0'])
  const shardSize = Number(options['shard-size'])
  if (!(shardSize > 0)) throw invalid('shard-size', options['shard-size'], 'a number of gigabytes')
  const located = (option: 'model' | 'adapter', selection: FileSelection) =>
    locate({ project, option, text: required(option, options[option]), selection, signal })
  const out = resolve(project, required('out', options.out))
  if (existsSync(out)) {
    throw new StageFailure({
      code: 'output-exists',
      message: `${options.out} is there already`,
      hint: 'name another --out, or remove it first',
    })
  }
  const model = await located('model', modelSelection)
  const adapter = options.adapter === undefined ? undefined : await located('adapter', adapterSelection)

  const say = (message: string) => void process.stderr.write(`${message}\n`)
  const partial = `${out}.${process.pid}.partial`
  mkdirSync(dirname(out), { recursive: true })
  try {
    const params = { format, dtype, shard_size: shardSize }
    await mergeModel({ model, adapter, out: partial }, params, { progress: showTensors, log: say, warn: say })
    renameSync(partial, out)
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  process.stdout.write(`${options.out}\n`)
  return 0
}

function showTensors({ step, total }: { readonly step: number; readonly total?: number }): void {
  if (process.stderr.isTTY) process.stderr.write(`\r${step}/${total} tensors${step === total ? '\n' : ''}`)
}

function required(option: string, value: string | boolean | undefined): string {
  if (typeof value === 'string' && value !== '') return value
  throw new StageFailure({
    code: 'missing-option',
    message: `flow merge needs --${option}`,
    hint: 'flow merge --model MODEL --adapter ADAPTER --out PATH',
  })
}

function oneOf(option: string, value: string | boolean | undefined, known: readonly string[]): string {
  if (typeof value === 'string' && known.includes(value)) return value
  throw invalid(option, value, `one of ${known.join(', ')}`)
}

function invalid(option: string, value: unknown, wanted: string): StageFailure {
  return new StageFailure({
    code: 'invalid-option',
    message: `--${option} must be ${wanted}, not \`${value}\``,
  })
}
