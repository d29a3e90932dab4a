/**
 * @file `npm run bench -- kernels`: the hot operators of a step in the sizes of a model beside PyTorch's, and the machine's
 * roof: the best product, and memory read and written as fast as it goes.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compare } from './compare/compare.ts'
import type { Work } from './compare/work.ts'
import type { KernelCase } from './works/kernels.ts'

const sizes = { rows: 256, rank: 8, chain: 8, repeats: 15 }

const contestants: Work['contestants'] = () => [
  { name: 'Flow', interpreter: 'node', program: 'works/kernels' },
  { name: 'PyTorch', interpreter: 'torch', program: 'kernels.py' },
]

const roof: Work = {
  name: 'roof',
  title: "The machine's roof",
  prepare: ({ sizes }) => {
    const cases: KernelCase[] = [
      { name: 'product', kind: 'product', shape: [2048, 2048, 2048] },
      { name: 'sum of arrays', kind: 'add', shape: [4096, 4096] },
    ]
    return { cases, chain: sizes.chain, repeats: 5 }
  },
  contestants,
}

const operators: Work = {
  name: 'operators',
  title: 'Operators of a step',
  prepare: ({ model, sizes }) => {
    const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))
    const {
      hidden_size: hidden,
      intermediate_size: inner,
      num_attention_heads: heads,
      vocab_size: vocabulary,
    } = config
    const keys = (config.num_key_value_heads / heads) * hidden
    const rows = sizes.rows!
    const product = (name: string, ...shape: number[]): KernelCase => ({ name, kind: 'product', shape })
    const cases: KernelCase[] = [
      product('queries, output', rows, hidden, hidden),
      product('keys, values', rows, hidden, keys),
      product('gate, up', rows, hidden, inner),
      product('down', rows, inner, hidden),
      product('vocabulary', rows, hidden, vocabulary),
      product('LoRA A', rows, hidden, sizes.rank!),
      product('LoRA B', rows, sizes.rank!, hidden),
      product('one row, gate', 1, hidden, inner),
      product('one row, vocabulary', 1, hidden, vocabulary),
      { name: 'softmax of attention', kind: 'softmax', shape: [heads * rows, rows] },
      { name: 'RMSNorm', kind: 'norm', shape: [rows, hidden] },
      { name: 'SiLU', kind: 'gate', shape: [rows, inner] },
      { name: 'softmax over the vocabulary', kind: 'softmax', shape: [rows, vocabulary] },
    ]
    return { cases, chain: sizes.chain, repeats: sizes.repeats }
  },
  contestants,
}

export const main = (argv: string[]) => compare({ name: 'kernels', works: [roof, operators], sizes }, argv)
