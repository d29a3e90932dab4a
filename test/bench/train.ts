/**
 * @file `npm run bench -- train`: a LoRA step beside PyTorch, fine-tuning and DPO beside TRL, on the same rows. Flow's
 * time of a training counts its whole stage, loading, tokenising and compiling included; TRL's only `trainer.train()`.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRandom } from '../../lm/random.ts'
import { readPreferences } from '../../lm/text/rows.ts'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { readPairs } from '../../stages/dpo/pairs.ts'
import { convertDataset } from '../../stages/prepare/convert.ts'
import { readSequences } from '../../stages/sft/rows.ts'
import { compare } from './compare/compare.ts'
import type { Options } from './compare/options.ts'
import type { Work } from './compare/work.ts'

const sizes = {
  rank: 8,
  sequences: 1,
  length: 256,
  steps: 5,
  'sft-rows': 80,
  'sft-batch': 4,
  'sft-length': 256,
  pairs: 16,
  'pair-batch': 2,
  'pair-length': 512,
}

const step: Work = {
  name: 'step',
  title: 'A step of a LoRA adapter on all projections, fp32: forward, backward, Adam',
  prepare: ({ model, sizes }) => {
    const { vocab_size: vocabulary } = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))
    const random = createRandom('bench')
    const sequence = () => Array.from({ length: sizes.length! + 1 }, () => random.integer(0, vocabulary - 1))
    const ids = Array.from({ length: sizes.sequences! }, sequence)
    return { ids, rank: sizes.rank, steps: sizes.steps, learning_rate: 1e-4 }
  },
  contestants: () => [
    { name: 'Flow', interpreter: 'node', program: 'works/step' },
    {
      name: 'Flow, base int8',
      interpreter: 'node',
      program: 'works/step',
      settings: { base_precision: 'int8' },
    },
    {
      name: 'Flow, gradient checkpointing',
      interpreter: 'node',
      program: 'works/step',
      settings: { gradient_checkpointing: true },
    },
    { name: 'PyTorch', interpreter: 'torch', program: 'step.py' },
  ],
  goals: [
    { figure: 'time a step, s', ours: 'Flow', peer: 'PyTorch', bound: 'at most', ratio: 0.95 },
    { figure: 'peak memory, GB', ours: 'Flow', peer: 'PyTorch', bound: 'at most', ratio: 0.7 },
  ],
}

const lora = (rank: number) => ({ r: rank, alpha: 2 * rank })

/** The first rows of a data set in this project's form; undefined where it is not there. */
async function firstRows(
  { data }: Options,
  name: string,
  target: 'instructions' | 'preferences',
  limit: number,
  folder: string,
): Promise<string | undefined> {
  const file = join(data, name)
  if (!existsSync(file)) return undefined
  const output = join(folder, 'rows.jsonl')
  const settings = {
    format: 'auto',
    preference: 'better',
    skip: 0,
    limit,
    shuffle: false,
    seed: 0,
    tolerance: 0,
  } as const
  const report = { log: () => {}, warn: console.error }
  await convertDataset({ file, output, target, settings, report })
  return output
}

const sft: Work = {
  name: 'sft',
  title: 'Fine-tuning on the first rows of alpaca_en_demo, answers only, one epoch',
  async prepare(options, folder) {
    const { sizes } = options
    const rows = await firstRows(options, 'alpaca_en_demo.json', 'instructions', sizes['sft-rows']!, folder)
    if (rows === undefined) return 'there is no alpaca_en_demo.json in the folder of --data'
    const maxLength = sizes['sft-length']!
    const settings = { maxLength, trainOnPrompt: false, emphasis: undefined }
    const { sequences } = readSequences(rows, loadTokenizer(options.model), settings)
    const tokens = sequences.reduce((sum, { ids }) => sum + ids.length, 0)
    const params = { batch_size: sizes['sft-batch'], max_length: maxLength, learning_rate: 2e-4, epochs: 1 }
    return { stage: 'sft', rows, tokens, params: { ...params, lora: lora(sizes.rank!) } }
  },
  contestants: () => [
    { name: 'Flow', interpreter: 'node', program: 'works/stage' },
    { name: 'TRL', interpreter: 'torch', program: 'trl_training.py' },
    { name: 'TRL bf16', interpreter: 'torch', program: 'trl_training.py', settings: { bf16: true } },
  ],
  goals: [
    { figure: 'real tokens/s', ours: 'Flow', peer: 'TRL', bound: 'at least', ratio: 2.2 },
    { figure: 'peak memory, GB', ours: 'Flow', peer: 'TRL', bound: 'at most', ratio: 0.4 },
  ],
}

const dpo: Work = {
  name: 'dpo',
  title: 'DPO on the first pairs of dpo_en_demo, one epoch, the reference not computed beforehand',
  async prepare(options, folder) {
    const { sizes } = options
    const rows = await firstRows(options, 'dpo_en_demo.json', 'preferences', sizes.pairs!, folder)
    if (rows === undefined) return 'there is no dpo_en_demo.json in the folder of --data'
    const maxLength = sizes['pair-length']!
    const warn = console.error
    const pairs = readPairs(readPreferences(rows), loadTokenizer(options.model), maxLength, { warn })
    const tokens = pairs.reduce(
      (sum, { chosen, rejected }) => sum + chosen.ids.length + rejected.ids.length,
      0,
    )
    const params = { batch_size: sizes['pair-batch'], max_length: maxLength, learning_rate: 5e-5, epochs: 1 }
    return { stage: 'dpo', rows, tokens, params: { ...params, lora: lora(sizes.rank!) } }
  },
  contestants: () => [
    { name: 'Flow', interpreter: 'node', program: 'works/stage' },
    { name: 'TRL', interpreter: 'torch', program: 'trl_training.py' },
  ],
  goals: [
    { figure: 'real tokens/s', ours: 'Flow', peer: 'TRL', bound: 'at least', ratio: 2.5 },
    { figure: 'peak memory, GB', ours: 'Flow', peer: 'TRL', bound: 'at most', ratio: 0.35 },
  ],
}

export const main = (argv: string[]) => compare({ name: 'train', works: [step, sft, dpo], sizes }, argv)
