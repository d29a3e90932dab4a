/** @file `npm run bench -- decode`: greedy answers, prompts and a judge's work beside transformers and llama.cpp. */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { compare } from './compare/compare.ts'
import type { Options } from './compare/options.ts'
import type { Contestant, Goal, Work } from './compare/work.ts'
import { results, root } from './flow.ts'

const sizes = {
  prompt: 40,
  tokens: 128,
  batch: 8,
  'long-prompt': 256,
  repeats: 2,
  judged: 32,
  rubric: 193,
  reply: 87,
  'verdict-tokens': 24,
  'judge-batch': 8,
  'judge-rows': 64,
}

const flow: Contestant = { name: 'Flow', interpreter: 'node', program: 'works/generate' }
const rounded = (['int8', 'int4'] as const).map(
  (precision): Contestant => ({
    ...flow,
    name: `Flow ${precision}`,
    settings: { precision },
  }),
)
const transformers: readonly Contestant[] = [
  { name: 'transformers', interpreter: 'torch', program: 'generate.py' },
  { name: 'transformers bf16', interpreter: 'torch', program: 'generate.py', settings: { bf16: true } },
]

/** One row at a time. */
function llama(options: Options): readonly Contestant[] {
  if (options.llama === undefined) return []
  const contestant = (name: string, dtype: string, further = {}): Contestant => ({
    name: `llama.cpp ${name}`,
    interpreter: 'llama',
    program: 'llama.py',
    settings: { file: ggufFile(options.model, dtype), ...further },
  })
  return [
    contestant('f32', 'fp32'),
    contestant('f16', 'fp16'),
    contestant('q8_0', 'q8_0'),
    contestant('q4_0', 'fp16', { q4_0: true }),
  ]
}

/** The model as a GGUF file, written by `flow merge` once for each state of its folder. */
function ggufFile(model: string, dtype: string): string {
  const stamp = statSync(join(model, 'config.json')).mtimeMs.toFixed(0)
  const file = join(results, 'gguf', `${basename(model)}-${stamp}-${dtype}.gguf`)
  if (existsSync(file)) return file
  const args = ['merge', '--model', model, '--format', 'gguf', '--dtype', dtype, '--out', file]
  const { status, stderr } = spawnSync(process.execPath, [join(root, 'engine/cli/flow.js'), ...args], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`flow ${args.join(' ')}\n${stderr}`)
  return file
}

/** The questions that come along, as one long row of tokens: `count` slices of `length`, one after another. */
function slices(model: string, count: number, length: number): number[][] {
  const rows = readFileSync(join(root, 'data/prompts.jsonl'), 'utf8').trimEnd().split('\n')
  const text = rows.map((row) => (JSON.parse(row) as { prompt: string }).prompt).join('\n')
  const ids = loadTokenizer(model).encode(text)
  return Array.from({ length: count }, (_, index) =>
    Array.from({ length }, (_, position) => ids[(index * length + position) % ids.length]!),
  )
}

const greedy = { temperature: 0, top_p: 1 }

function goal(peer: string, ratio: number, ours = 'Flow', figure = 'tokens/s'): Goal {
  return { figure, ours, peer, bound: 'at least', ratio }
}

const single: Work = {
  name: 'single',
  title: 'Greedy answer to one prompt',
  prepare: ({ model, sizes }) => ({
    ...greedy,
    prompts: slices(model, 1, sizes.prompt!),
    tokens: sizes.tokens,
    batch: 1,
    repeats: sizes.repeats,
  }),
  contestants: (options) => [flow, ...rounded, ...transformers, ...llama(options)],
  goals: [
    goal('transformers', 1.2),
    goal('transformers', 3, 'Flow int8'),
    goal('llama.cpp f32', 1),
    goal('llama.cpp q8_0', 1, 'Flow int8'),
    goal('llama.cpp q4_0', 1, 'Flow int4'),
  ],
}

const batch: Work = {
  name: 'batch',
  title: 'Greedy answers to several prompts at once',
  prepare: ({ model, sizes }) => ({
    ...greedy,
    prompts: slices(model, sizes.batch!, sizes.prompt!),
    tokens: sizes.tokens,
    batch: sizes.batch,
    repeats: sizes.repeats,
  }),
  contestants: () => [flow, ...rounded, ...transformers],
  goals: [goal('transformers', 1.5), goal('transformers', 2.5, 'Flow int8')],
}

const prompt: Work = {
  name: 'prompt',
  title: 'Reading one long prompt: its first answer token',
  prepare: ({ model, sizes }) => ({
    ...greedy,
    prompts: slices(model, 1, sizes['long-prompt']!),
    tokens: 1,
    batch: 1,
    repeats: 2 * sizes.repeats! + 1,
  }),
  contestants: (options) => [flow, ...rounded, ...transformers, ...llama(options)],
  goals: [
    goal('transformers', 1, 'Flow', 'prompt tokens/s'),
    goal('llama.cpp f32', 1, 'Flow', 'prompt tokens/s'),
  ],
}

const judge: Work = {
  name: 'judge',
  title: "A judge's verdicts: prompts that begin with the same rubric, a few sampled tokens each",
  prepare: ({ model, sizes }) => {
    const [rubric] = slices(model, 1, sizes.rubric!)
    const replies = slices(model, sizes.judged!, sizes.reply! + 8)
    return {
      temperature: 0.7,
      top_p: 0.9,
      // Of unlike length, on average as long as asked.
      prompts: replies.map((ids, index) => [...rubric!, ...ids.slice(0, sizes.reply! - 8 + 4 * (index % 5))]),
      tokens: sizes['verdict-tokens'],
      batch: sizes['judge-batch'],
      repeats: 1,
    }
  },
  // Flow decodes as many rows together as the stage `judge` does; transformers pads its batches.
  contestants: ({ sizes }) => [
    ...[flow, ...rounded].map((each) => ({
      ...each,
      settings: { ...each.settings, batch: sizes['judge-rows'] },
    })),
    transformers[0]!,
  ],
  goals: [{ figure: 'time, s', ours: 'Flow', peer: 'transformers', bound: 'at most', ratio: 0.2 }],
}

export const main = (argv: string[]) =>
  compare({ name: 'decode', works: [single, batch, prompt, judge], sizes }, argv)
