/** @file The peer of `sft` and `dpo`: TRL trains the same adapter on the same rows, in a Python of the user's. */
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { defineStage, StageFailure, Type } from 'flow/stage'

export default defineStage({
  name: 'trl',
  description: 'Trains an adapter with TRL, for comparison',
  inputs: {
    script: {
      type: 'text',
      description: 'test/reference/compare/train.py; an input, so that a change of it counts',
    },
    model: 'model',
    adapter: { type: 'adapter', description: 'Where training starts' },
    train: { type: ['instructions', 'preferences'] },
    held_out: { type: ['instructions', 'preferences'] },
  },
  outputs: {
    adapter: 'adapter',
    log: {
      type: 'jsonl',
      description: "TRL's log, a row an update, and rows with eval_... where it was measured",
    },
  },
  params: Type.Object({
    python: Type.String({
      default: 'python3',
      description: 'Interpreter with test/reference/requirements.txt',
    }),
    kind: Type.Union([Type.Literal('sft'), Type.Literal('dpo')]),
    epochs: Type.Integer({ minimum: 1, default: 1 }),
    max_steps: Type.Integer({ minimum: 0, default: 0 }),
    batch_size: Type.Integer({ minimum: 1, default: 4 }),
    gradient_accumulation_steps: Type.Integer({ minimum: 1, default: 1 }),
    learning_rate: Type.Number({ exclusiveMinimum: 0 }),
    lr_scheduler: Type.String({ default: 'linear' }),
    warmup: Type.Number({ minimum: 0, default: 0.03 }),
    weight_decay: Type.Number({ minimum: 0, default: 0 }),
    max_grad_norm: Type.Number({ minimum: 0, default: 1 }),
    max_length: Type.Integer({ minimum: 8 }),
    eval_steps: Type.Integer({ minimum: 1, default: 10 }),
    beta: Type.Number({ exclusiveMinimum: 0, default: 0.1 }),
    loss: Type.String({ default: 'sigmoid' }),
  }),
  cosmetic: ['python'],
  async run({ inputs, outputs, params, checkpoint, threads, signal, progress }) {
    const { python, kind, ...rest } = params
    mkdirSync(checkpoint, { recursive: true })
    const settingsFile = join(checkpoint, 'settings.json')
    const output = join(checkpoint, 'trained')
    rmSync(output, { recursive: true, force: true })
    const { model, adapter, train, held_out } = inputs
    const files = { model, adapter, train, held_out, output, log: outputs.log }
    writeFileSync(settingsFile, JSON.stringify({ kind, ...files, threads, params: rest }))

    const child = spawn(python, [inputs.script, settingsFile], { signal, stdio: ['ignore', 'pipe', 'pipe'] })
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-4000)
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line.startsWith('{"step"')) progress(JSON.parse(line))
    })
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', (error: NodeJS.ErrnoException) =>
        reject(error.code === 'ENOENT' ? noPython(python) : error),
      )
      child.on('close', resolve)
    })
    if (code !== 0) {
      throw new StageFailure({
        code: 'trl-failed',
        message: `TRL ended with exit code ${code}: ${errors.trim().split('\n').at(-1) ?? ''}`,
        hint: `the last it wrote:\n${errors}`,
      })
    }
    mkdirSync(outputs.adapter)
    for (const name of readdirSync(output)) {
      if (name.startsWith('adapter_')) renameSync(join(output, name), join(outputs.adapter, name))
    }
  },
})

function noPython(python: string): StageFailure {
  return new StageFailure({
    code: 'no-python',
    message: `there is no \`${python}\``,
    hint: 'name an interpreter with TRL: `--param python=VENV/bin/python` (test/reference/README.md makes one)',
  })
}
