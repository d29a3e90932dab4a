/** @file What a good workflow file becomes, and how several faults of one file are told together. */
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../engine/identity.ts'
import { type LoadOptions, loadWorkflow } from '../../engine/workflow/load.ts'
import type { Workflow, WorkflowNode } from '../../engine/workflow/workflow.ts'
import { catalog } from './catalog.ts'

const SELF_REWARD = `# yaml-language-server: $schema=./workflow.schema.json
name: self-reward
params:
  model:      { type: string,  default: checkpoints/tiny-base, description: Hugging Face id or local folder }
  precision:  { enum: [fp32, fp16, bf16], default: fp32 }
  candidates: { type: integer, minimum: 2, default: 4 }

nodes:
  sft:
    uses: sft
    in:   { model: \${{ params.model }}, data: data/alpaca_mini.json }
    with: { epochs: 2, learning_rate: 2e-4, lora: { r: 8, alpha: 16 } }
    out:  { adapter: checkpoints/sft_adaptor, log: reports/sft_loss.jsonl }

  generate:
    uses: generate
    in:   { model: \${{ params.model }}, adapter: \${{ nodes.sft.adapter }}, prompts: data/prompts.jsonl }
    with: { candidates: \${{ params.candidates }}, temperature: 0.7, top_p: 0.9 }

  judge:
    uses: judge
    in:   { model: \${{ params.model }}, adapter: \${{ nodes.sft.adapter }}, responses: \${{ nodes.generate.responses }} }
    with: { votes: 3 }
    out:  { judged: data/raw_responses.jsonl, samples: data/self_reward_samples.jsonl }

  clean:
    uses: clean
    in:   { judged: \${{ nodes.judge.judged }} }
    out:  { preferences: data/dpo_training.jsonl, rewards: data/grpo_training.jsonl, groups: data/gspo_training.jsonl }

  dpo:
    uses: dpo
    in:   { model: \${{ params.model }}, adapter: \${{ nodes.sft.adapter }}, data: \${{ nodes.clean.preferences }} }
    out:  { adapter: checkpoints/dpo_no_self_instruction, log: reports/dpo_loss.jsonl }
`

function load(source: string, more: Partial<LoadOptions> = {}) {
  return loadWorkflow({ file: 'w.yaml', source, catalog, ...more })
}

function loaded(source: string, more: Partial<LoadOptions> = {}): Workflow {
  const { workflow, diagnostics } = load(source, more)
  expect(diagnostics).toEqual([])
  return workflow!
}

function node(workflow: Workflow, name: string): WorkflowNode {
  return workflow.nodes.get(name as NodeId)!
}

/** One sft node whose `with` is given. */
function sftWith(settings: string, params = ''): string {
  return `${params}nodes:\n  sft:\n    uses: sft\n    in: { model: models/base, data: data/rows.json }\n    with: ${settings}\n`
}

function codes(source: string, more: Partial<LoadOptions> = {}): string[] {
  return load(source, more).diagnostics.map((diagnostic) => diagnostic.code)
}

describe('a good workflow', () => {
  it('is read with its references resolved, its types kept and defaults filled in', () => {
    const workflow = loaded(SELF_REWARD)
    expect(workflow.name).toBe('self-reward')
    expect(workflow.params).toEqual({ model: 'checkpoints/tiny-base', precision: 'fp32', candidates: 4 })
    expect([...workflow.nodes.keys()]).toEqual(['sft', 'generate', 'judge', 'clean', 'dpo'])
    const sft = node(workflow, 'sft')
    expect(sft.params).toEqual({
      epochs: 2,
      learning_rate: 2e-4,
      lora: { r: 8, alpha: 16 },
      schedule: 'cosine',
      max_length: null,
      train_on_prompt: false,
    })
    expect(sft.outputs).toEqual({ adapter: 'checkpoints/sft_adaptor', log: 'reports/sft_loss.jsonl' })
    expect(sft.dependsOn).toEqual([])
    expect(SELF_REWARD.slice(sft.range.start, sft.range.end)).toBe('sft')
    const generate = node(workflow, 'generate')
    expect(generate.params).toEqual({ candidates: 4, temperature: 0.7, top_p: 0.9 })
    expect(generate.outputs).toEqual({})
    const judge = node(workflow, 'judge')
    expect(judge.dependsOn).toEqual(['sft', 'generate'])
    const { responses, model } = judge.inputs
    expect(responses).toMatchObject({
      many: false,
      source: { kind: 'node', node: 'generate', port: 'responses' },
    })
    expect(model).toMatchObject({ many: false, source: { kind: 'file', path: 'checkpoints/tiny-base' } })
    const range = !responses!.many && responses!.source.range
    expect(range && SELF_REWARD.slice(range.start, range.end)).toBe('${{ nodes.generate.responses }}')
  })

  it('takes its name from the file where it has none, and nodes in any order', () => {
    const workflow = loaded(
      [
        'nodes:',
        '  last: { uses: clean, in: { judged: ${{ nodes.middle.judged }} } }',
        '  middle: { uses: judge, in: { model: m, responses: ${{ nodes.first.responses }} } }',
        '  first: { uses: generate, in: { model: m, prompts: p } }',
        '  other: { uses: generate, in: { model: m, prompts: p } }',
      ].join('\n'),
      { file: 'workflows/backwards.yaml' },
    )
    expect(workflow.name).toBe('backwards')
    expect([...workflow.nodes.keys()]).toEqual(['first', 'middle', 'last', 'other'])
  })

  it('accepts a more special type, lists and labels for ports that take many, and sections left empty', () => {
    const workflow = loaded(`
params:
nodes:
  sft: { uses: sft, in: { model: m, data: d } }
  dpo: { uses: dpo, in: { model: m, data: d }, with: }
  report:
    uses: report
    in:
      logs: [\${{ nodes.sft.log }}, "\${{ nodes.dpo.log }}", reports/old.jsonl]
      metrics: { before: \${{ nodes.sft.log }}, after: metrics/after.json }
    with:
      # nothing yet
    out:
  single: { uses: report, in: { logs: \${{ nodes.sft.log }} } }
`)
    const report = node(workflow, 'report')
    expect(report.dependsOn).toEqual(['sft', 'dpo'])
    expect(report.inputs.logs).toMatchObject({
      many: true,
      sources: [
        { label: '0', source: { kind: 'node', node: 'sft', port: 'log' } },
        { label: '1', source: { kind: 'node', node: 'dpo', port: 'log' } },
        { label: '2', source: { kind: 'file', path: 'reports/old.jsonl' } },
      ],
    })
    expect(report.inputs.metrics).toMatchObject({ sources: [{ label: 'before' }, { label: 'after' }] })
    expect(node(workflow, 'single').inputs.logs).toMatchObject({ many: true, sources: [{ label: '0' }] })
  })

  it('normalises paths, and leaves absolute inputs as they are', () => {
    const { inputs, outputs } = node(
      loaded(
        'nodes:\n  sft: { uses: sft, in: { model: /srv/models/base/, data: ./data//rows.json }, out: { adapter: a/./b/ } }',
      ),
      'sft',
    )
    expect(inputs.model).toMatchObject({ source: { path: '/srv/models/base' } })
    expect(inputs.data).toMatchObject({ source: { path: 'data/rows.json' } })
    expect(outputs).toEqual({ adapter: 'a/b' })
  })

  it('loads a thousand nodes', () => {
    const nodes = Array.from({ length: 1000 }, (_, index) => {
      const adapter = index === 0 ? '' : `, adapter: \${{ nodes.n${index - 1}.adapter }}`
      return `  n${index}:\n    uses: sft\n    in: { model: m, data: d${adapter} }\n    out: { adapter: out/n${index} }\n`
    })
    expect(loaded(`nodes:\n${nodes.join('')}`).nodes.size).toBe(1000)
  })
})

describe('references', () => {
  const params = `params:
  rate: { type: number, default: 0.1 }
  count: { type: integer, default: 3 }
  flag: { type: boolean, default: true }
  size: { type: string, default: small }
`
  const judge = (template: string) =>
    `${params}nodes:\n  judge:\n    uses: judge\n    in: { model: m, responses: r }\n    with:\n      template: ${template}\n`
  const templateOf = (template: string) => node(loaded(judge(template)), 'judge').params.template

  it('keep the type of a param where they are the whole value, in quotes too', () => {
    const source = sftWith(
      '{ learning_rate: ${{ params.rate }}, epochs: "${{ params.count }}", train_on_prompt: \'${{params.flag}}\' }',
      params,
    )
    expect(node(loaded(source), 'sft').params).toMatchObject({
      learning_rate: 0.1,
      epochs: 3,
      train_on_prompt: true,
    })
  })

  it('become text within a text: plain, quoted or a block', () => {
    expect(templateOf('at ${{ params.rate }} of ${{ params.size }}')).toBe('at 0.1 of small')
    expect(templateOf('"a\\t${{ params.count }}${{ params.flag }}"')).toBe('a\t3true')
    expect(templateOf('|\n        Rate {{ x }}\n        ${{ params.size }}: { a }\n')).toBe(
      'Rate {{ x }}\nsmall: { a }\n',
    )
    expect(templateOf('>-\n        one\n        ${{ params.size }}\n')).toBe('one small')
  })

  it('are text where the dollar is doubled, and mean nothing in comments', () => {
    expect(templateOf('use $${{ params.nothing }} # ${{ nodes. }}')).toBe('use ${{ params.nothing }}')
    expect(codes(`# \${{ params.nothing }\n${judge('x')}`)).toEqual([])
  })

  it('fill paths of inputs and outputs, and survive private-use letters in the text', () => {
    const source = `${params}# \ue000\ue001
nodes:
  sft:
    uses: sft
    in: { model: models/\${{ params.size }}, data: "data/\ue000-\${{ params.count }}.json" }
    out: { adapter: out/\${{ params.size }}/\${{ params.count }} }
`
    const sft = node(loaded(source), 'sft')
    expect(sft.inputs.model).toMatchObject({ source: { path: 'models/small' } })
    expect(sft.inputs.data).toMatchObject({ source: { path: 'data/\ue000-3.json' } })
    expect(sft.outputs.adapter).toBe('out/small/3')
  })

  it('may be shared by an alias', () => {
    const source = `${params}nodes:
  a: { uses: generate, in: &in { model: &m "models/\${{ params.size }}", prompts: p } }
  b: { uses: generate, in: *in }
  c: { uses: sft, in: { model: *m, data: d } }
`
    const workflow = loaded(source)
    for (const name of ['a', 'b', 'c']) {
      expect(node(workflow, name).inputs.model).toMatchObject({ source: { path: 'models/small' } })
    }
  })
})

describe('--param', () => {
  const source = sftWith(
    '{ epochs: ${{ params.epochs }} }',
    'params:\n  epochs: { type: integer, minimum: 1, default: 1 }\n  tag: { type: string, default: a }\n  precision: { enum: [fp32, 16], default: fp32 }\n',
  )

  it('is read as the declared type; text stays text for a string', () => {
    const workflow = loaded(source, { params: { epochs: '5', tag: '007', precision: '16' } })
    expect(workflow.params).toEqual({ epochs: 5, tag: '007', precision: 16 })
    expect(node(workflow, 'sft').params.epochs).toBe(5)
    expect(loaded(source, { params: { tag: 'a: {' } }).params.tag).toBe('a: {')
  })

  it('gives a value to a param without a default', () => {
    const required = sftWith('{ epochs: ${{ params.n }} }', 'params:\n  n: { type: integer }\n')
    expect(codes(required)).toEqual(['missing-param'])
    expect(node(loaded(required, { params: { n: '2' } }), 'sft').params.epochs).toBe(2)
  })

  it.each([
    [
      { epochs: 'two' },
      'wrong-type',
      '--param epochs=two',
      'param `epochs` must be an integer, not the string "two"',
      undefined,
    ],
    [
      { epochs: '' },
      'wrong-type',
      '--param epochs=',
      'param `epochs` must be an integer, not the string ""',
      undefined,
    ],
    [
      { epochs: '0' },
      'out-of-range',
      '--param epochs=0',
      'param `epochs` must be at least 1, not 0',
      undefined,
    ],
    [
      { epoch: '2' },
      'unknown-param',
      '--param epoch=2',
      'the workflow has no param `epoch`',
      'did you mean `epochs`?',
    ],
    [
      { precision: 'fp3' },
      'not-a-choice',
      '--param precision=fp3',
      'param `precision` must be `fp32` or 16, not the string "fp3"',
      'did you mean `fp32`?',
    ],
  ])('%o is refused', (params, code, file, message, hint) => {
    const { diagnostics } = load(source, { params: params as Record<string, string> })
    expect(diagnostics).toEqual([{ code, severity: 'error', file, message, ...(hint && { hint }) }])
  })
})

describe('--set', () => {
  it('replaces and adds values, deep ones and references too', () => {
    const workflow = loaded(SELF_REWARD, {
      set: {
        'nodes.sft.with.epochs': '1',
        'nodes.sft.with.lora.targets': '[q_proj]',
        'nodes.judge.with': '{ votes: ${{ params.candidates }} }',
        'nodes.dpo.with.loss': 'ipo',
        'nodes.generate.in.prompts': 'data/other.jsonl',
        'nodes.generate.out.responses': 'data/responses.jsonl',
      },
    })
    expect(node(workflow, 'sft').params).toMatchObject({
      epochs: 1,
      lora: { r: 8, alpha: 16, targets: ['q_proj'] },
    })
    expect(node(workflow, 'judge').params).toEqual({ votes: 4 })
    expect(node(workflow, 'dpo').params.loss).toBe('ipo')
    const generate = node(workflow, 'generate')
    expect(generate.inputs.prompts).toMatchObject({
      source: { path: 'data/other.jsonl', range: generate.range },
    })
    expect(generate.outputs).toEqual({ responses: 'data/responses.jsonl' })
  })

  it.each([
    [
      'nodes.sft.with.epochs',
      'many',
      'wrong-type',
      '`epochs` must be an integer, not the string "many"',
      undefined,
    ],
    [
      'nodes.sft.with.epoch',
      '1',
      'unknown-field',
      'stage `sft` has no field `epoch`',
      'known: `schedule`, `max_length`, `train_on_prompt`',
    ],
    ['nodes.stf.with.epochs', '1', 'unknown-node', 'the workflow has no node `stf`', 'did you mean `sft`?'],
    [
      'nodes.sft.epochs',
      '1',
      'bad-override',
      '`nodes.sft.epochs` names nothing that can be set',
      'for example `--set nodes.NODE.with.FIELD=VALUE`',
    ],
    [
      'nodes.sft.with.epochs.x',
      '1',
      'bad-override',
      '`nodes.sft.with.epochs.x` leads into a value that has no fields',
      undefined,
    ],
    ['params.model', 'x', 'bad-override', '`--set` reaches nodes only', 'use `--param model=...`'],
    [
      'nodes.sft.with.lora',
      '{ r: [',
      'yaml-syntax',
      'the list is not closed by `]`, or its lines are indented too little',
      undefined,
    ],
  ])('%s=%s is refused', (path, text, code, message, hint) => {
    const { diagnostics } = load(SELF_REWARD, { set: { [path]: text } })
    expect(diagnostics[0]).toEqual({
      code,
      severity: 'error',
      file: `--set ${path}=${text}`,
      message,
      ...(hint && { hint }),
    })
  })
})

describe('several faults of one file', () => {
  it('are reported together, by position, those of the command line last', () => {
    const source = `name: many
params:
  n: { type: integer, default: no }
nods: {}
nodes:
  sft:
    uses: sft
    in: { model: m, dat: d }
    with: { epochs: \${{ params.n }}, schedule: cosin, lora: { r: 0, rank: 1 } }
  gen:
    uses: generator
    in: { odd: \${{ nodes.sft.adaptor }}, other: \${{ nodes.nobody.x }} }
    with: { anything: 1 }
  dpo:
    uses: dpo
    in: { model: m, data: \${{ nodes.sft.log }}, data: d }
`
    const { diagnostics } = load(source, { params: { m: '1' } })
    expect(
      diagnostics.map(({ code, range }) => [code, range && source.slice(range.start, range.end)]),
    ).toEqual([
      ['wrong-type', 'no'],
      ['unknown-field', 'nods'],
      ['unknown-port', 'dat'],
      ['not-a-choice', 'cosin'],
      ['out-of-range', '0'],
      ['unknown-field', 'rank'],
      ['unknown-stage', 'generator'],
      ['unknown-port', 'adaptor'],
      ['unknown-node', 'nobody'],
      ['type-mismatch', '${{ nodes.sft.log }}'],
      ['duplicate-key', 'data'],
      ['unknown-param', undefined],
    ])
  })

  it('include broken syntax next to faults of other nodes', () => {
    const source = `nodes:
  first:
    uses: sftt
    in: { model: m, data: d }
  second:
    uses: sft
    in: { model: m, data: d
  third:
    uses: sft
    in: { model: m, data: d }
    with: { epochs: 0 }
`
    expect(codes(source)).toEqual(['unknown-stage', 'yaml-syntax', 'out-of-range'])
  })

  it('name every cycle', () => {
    const line = (name: string, needs: string) =>
      `  ${name}: { uses: sft, in: { model: m, data: d, adapter: \${{ nodes.${needs}.adapter }} } }\n`
    const source = `nodes:\n${line('a', 'b')}${line('b', 'a')}${line('c', 'd')}${line('d', 'c')}`
    expect(load(source).diagnostics.map(({ message }) => message)).toEqual([
      'cycle: `a` needs `b` needs `a`',
      'cycle: `c` needs `d` needs `c`',
    ])
  })

  it('keep apart a slip, its section left empty, and a reference where none can stand', () => {
    const source = `params:
  description: { type: string, default: "\${{ params.other }}", description: "as in \${{ params.x }" }
nodes:
  sft: { uses: sft, in: { model: m, data: d }, wiht: }
`
    expect(codes(source)).toEqual(['misplaced-reference', 'unknown-field'])
  })

  it('count once where one param is used often', () => {
    const source = SELF_REWARD.replace('default: checkpoints/tiny-base', 'default: checkpoints/none')
    const fileExists = (path: string) => path !== 'checkpoints/none'
    expect(codes(source, { fileExists })).toEqual(['missing-file'])
    const missing = SELF_REWARD.replace('type: string,  default: checkpoints/tiny-base', 'type: string')
    expect(codes(missing)).toEqual(['missing-param'])
  })
})

describe('limits', () => {
  it('refuses large files before reading them', () => {
    expect(codes(`# ${'x'.repeat(1024 * 1024)}\nnodes: {}\n`)).toEqual(['too-large'])
  })

  it('refuses deep nesting of every kind', () => {
    for (const text of ['['.repeat(100_000), '- '.repeat(100_000), '{a: '.repeat(100_000)]) {
      expect(codes(text)).toEqual(['too-deep'])
    }
  })

  it('keeps `__proto__` an ordinary, unknown name', () => {
    expect(codes(sftWith('{ __proto__: { epochs: 7 } }'))).toEqual(['unknown-field'])
    expect(
      codes('nodes:\n  sft: { uses: sft, in: { model: m, data: d, __proto__: x, toString: y } }'),
    ).toEqual(['unknown-port', 'unknown-port'])
    expect(codes('nodes:\n  __proto__: { uses: sft, in: { model: m, data: d } }')).toEqual(['bad-name'])
  })
})
