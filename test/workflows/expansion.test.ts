/** @file Conditions, loops, rounds and workflows in workflows, as the nodes that they become. */
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../engine/identity.ts'
import { inputSources } from '../../engine/plan/inputs.ts'
import { type LoadOptions, loadWorkflow } from '../../engine/workflow/load.ts'
import type { Workflow } from '../../engine/workflow/workflow.ts'
import { catalog } from './catalog.ts'

function load(source: string, more: Partial<LoadOptions> & { files?: Record<string, string> } = {}) {
  const { files = {}, ...options } = more
  return loadWorkflow({ file: 'flows/w.yaml', source, catalog, readFile: (path) => files[path], ...options })
}

function loaded(...[source, more]: Parameters<typeof load>): Workflow {
  const { workflow, diagnostics } = load(source, more)
  expect(diagnostics).toEqual([])
  return workflow!
}

function faults(...[source, more]: Parameters<typeof load>): string[] {
  return load(source, more).diagnostics.map(({ code, message }) => `${code}: ${message}`)
}

/** Where the inputs of a node come from: `adapter <- sft.adapter`, `model <- m`. */
function inputsOf(workflow: Workflow, id: string): string[] {
  return inputSources(workflow.nodes.get(id as NodeId)!).map(({ port, label, source }) => {
    const place = label === undefined ? port : `${port}[${label}]`
    if (source.kind === 'node') return `${place} <- ${source.node}.${source.port}`
    return `${place} <- ${source.kind === 'file' ? source.path : source.text}`
  })
}

function ids(workflow: Workflow): string[] {
  return [...workflow.nodes.keys()]
}

const CONDITIONAL = `params:
  warm: { type: boolean, default: false }
nodes:
  first: { uses: sft, when: "\${{ params.warm }}", in: { model: m, data: d }, out: { adapter: out/a } }
  other: { uses: sft, when: "\${{ !params.warm }}", in: { model: m, data: d }, out: { adapter: out/a } }
  needs: { uses: report, in: { logs: "\${{ nodes.first.log }}" } }
  may: { uses: generate, in: { model: m, prompts: p, adapter: "\${{ nodes.first.adapter }}" } }
  one: { uses: generate, in: { model: m, prompts: p, adapter: "\${{ nodes.first.adapter ?? nodes.other.adapter }}" } }
  list: { uses: report, in: { logs: { a: "\${{ nodes.first.log }}", b: "\${{ nodes.other.log }}" } } }
  first_of: { uses: sft, in: { model: m, data: d, adapter: { first_of: ["\${{ nodes.first.adapter }}", x/y] } } }
  after: { uses: export, when: "\${{ nodes.needs.page }}", in: { model: m }, with: { format: zip } }
`

describe('rule 20: a condition', () => {
  it('takes a node out, and what reads from it goes without, takes the next, or is taken out too', () => {
    const workflow = loaded(CONDITIONAL)
    const skipped = [...workflow.nodes.values()].flatMap((node) =>
      node.skipped ? [[node.id, node.skipped.reason]] : [],
    )
    expect(skipped).toEqual([
      ['first', 'its condition is false: params.warm'],
      ['needs', 'input `logs`: `first` does not run'],
      ['after', 'its condition is false: nodes.needs.page'],
    ])
    expect(inputsOf(workflow, 'may')).toEqual(['model <- m', 'prompts <- p'])
    expect(inputsOf(workflow, 'one')).toContain('adapter <- other.adapter')
    expect(inputsOf(workflow, 'list')).toEqual(['logs[b] <- other.log'])
    expect(inputsOf(workflow, 'first_of')).toContain('adapter <- x/y')
    expect(workflow.nodes.get('needs' as NodeId)?.dependsOn).toEqual([])
  })

  it('the other way round gives the other graph', () => {
    const workflow = loaded(CONDITIONAL, { params: { warm: 'true' } })
    expect([...workflow.nodes.values()].filter((node) => node.skipped).map((node) => node.id)).toEqual([
      'other',
    ])
    expect(inputsOf(workflow, 'may')).toContain('adapter <- first.adapter')
    expect(inputsOf(workflow, 'one')).toContain('adapter <- first.adapter')
    expect(inputsOf(workflow, 'list')).toEqual(['logs[a] <- first.log'])
    expect(inputsOf(workflow, 'first_of')).toContain('adapter <- first.adapter')
  })

  it('must be true or false, and files that only a skipped node reads need not be there', () => {
    const node = (when: string) =>
      `nodes:\n  a: { uses: sft, when: ${when}, in: { model: m, data: absent } }\n`
    expect(faults(node('"${{ 5 }}"'))).toEqual(['wrong-type: a condition must be true or false, not 5'])
    expect(faults(node('maybe'))[0]).toMatch(/^wrong-(value|type)/)
    expect(faults(node('false'), { fileExists: (path) => path !== 'absent' })).toEqual([])
    expect(faults(node('true'), { fileExists: (path) => path !== 'absent' })).toEqual([
      'missing-file: `absent` does not exist',
    ])
  })
})

describe('foreach and matrix', () => {
  const source = `params:
  seeds: { type: array, items: integer, default: [7, 8] }
nodes:
  train:
    uses: sft
    matrix: { seed: "\${{ params.seeds }}", rate: [1.0e-4, 0.1] }
    in: { model: m, data: "d/\${{ matrix.seed }}.json" }
    with: { learning_rate: "\${{ matrix.rate }}", epochs: "\${{ matrix.seed }}" }
    out: { adapter: "out/\${{ matrix.seed }}-\${{ matrix.rate }}" }
  each:
    uses: sft
    foreach: [{ name: a, n: 1 }, { name: b, n: 2 }]
    in: { model: m, data: "\${{ each.name }}.json" }
    with: { epochs: "\${{ each.n }}" }
  report: { uses: report, in: { logs: { "run *": "\${{ nodes.train.*.log }}", each: "\${{ nodes.each.*.log }}" } } }
  list: { uses: report, in: { logs: ["\${{ nodes.each.*.log }}", x.jsonl] } }
  all: { uses: report, in: { logs: "\${{ nodes.each.*.log }}" } }
`

  it('make a node for each value, and collect what they write', () => {
    const workflow = loaded(source)
    expect(ids(workflow)).toEqual([
      ...[
        'train/seed=7,rate=0.0001',
        'train/seed=7,rate=0.1',
        'train/seed=8,rate=0.0001',
        'train/seed=8,rate=0.1',
      ],
      ...['each/1', 'each/2', 'report', 'list', 'all'],
    ])
    const one = workflow.nodes.get('train/seed=8,rate=0.1' as NodeId)!
    expect(one.params).toMatchObject({ learning_rate: 0.1, epochs: 8 })
    expect(one.outputs).toEqual({ adapter: 'out/8-0.1' })
    expect(one.group).toEqual(['train'])
    expect(inputsOf(workflow, 'each/2')).toContain('data <- b.json')
    expect(inputsOf(workflow, 'report')).toContain('logs[run seed=7,rate=0.1] <- train/seed=7,rate=0.1.log')
    expect(inputsOf(workflow, 'report')).toContain('logs[each-2] <- each/2.log')
    expect(inputsOf(workflow, 'list')).toEqual([
      'logs[0] <- each/1.log',
      'logs[1] <- each/2.log',
      'logs[2] <- x.jsonl',
    ])
    expect(inputsOf(workflow, 'all')).toEqual(['logs[1] <- each/1.log', 'logs[2] <- each/2.log'])
    expect(ids(loaded(source, { params: { seeds: '[3]' } }))).toContain('train/seed=3,rate=0.1')
  })

  it.each([
    ['foreach: []', 'wrong-value: `nodes.a.foreach` must not be empty'],
    ['foreach: "${{ params.n }}"', 'wrong-type: `foreach` must be a list of values'],
    ['foreach: [1], matrix: { x: [1] }', 'bad-loop: a node has `foreach` or `matrix`, not both'],
    ['foreach: [1, 2], out: { adapter: same }', 'output-conflict: `same` is also written by `a/1.adapter`'],
    [
      'matrix: { x: "${{ params.many }}", y: "${{ params.many }}", z: "${{ params.many }}" }',
      'too-many-nodes: the matrix stands for more than 10000 nodes',
    ],
  ])('%s is refused', (field, fault) => {
    const many = JSON.stringify(Array.from({ length: 40 }, (_, index) => index))
    const text = `params: { n: { type: integer, default: 1 }, many: { type: array, default: ${many} } }
nodes:
  a: { uses: sft, in: { model: m, data: d }, ${field} }
`
    expect(faults(text)).toEqual([fault])
  })

  it('a name that stands for several nodes is told from one that stands for one', () => {
    const text = `nodes:
  many: { uses: sft, foreach: [1, 2], in: { model: m, data: d } }
  one: { uses: sft, in: { model: m, data: d } }
  a: { uses: generate, in: { model: m, prompts: p, adapter: "\${{ nodes.many.adapter }}" } }
  b: { uses: generate, in: { model: m, prompts: p, adapter: "\${{ nodes.many.*.adapter }}" } }
  c: { uses: report, in: { logs: "\${{ nodes.one.*.log }}" } }
`
    expect(faults(text)).toEqual([
      'bad-reference: `many` stands for several nodes',
      'not-many: input `adapter` of stage `generate` takes one value, not several',
      'bad-reference: `one` stands for one node: it has neither `foreach`, `matrix` nor `repeat`',
    ])
  })
})

const ROUND = `params:
  lr: { type: number, default: 0.5 }
  tag: { type: string }
inputs:
  model: { type: model }
  adapter: { type: adapter, optional: true }
  logs: { type: training-log, many: true, optional: true }
outputs:
  adapter: \${{ nodes.dpo.adapter }}
  log: { value: "\${{ nodes.dpo.log }}", type: jsonl }
  model: \${{ inputs.model }}
nodes:
  generate: { uses: generate, in: { model: "\${{ inputs.model }}", adapter: "\${{ inputs.adapter }}", prompts: p } }
  judge: { uses: judge, in: { model: "\${{ inputs.model }}", responses: "\${{ nodes.generate.responses }}" } }
  clean: { uses: clean, in: { judged: "\${{ nodes.judge.judged }}" } }
  dpo:
    uses: dpo
    in: { model: "\${{ inputs.model }}", adapter: "\${{ inputs.adapter }}", data: "\${{ nodes.clean.preferences }}" }
    with: { learning_rate: "\${{ params.lr }}" }
    out: { log: "logs/\${{ params.tag }}.jsonl" }
  report: { uses: report, when: "\${{ inputs.logs }}", in: { logs: "\${{ inputs.logs }}" } }
`

const ROUNDS = `params:
  rounds: { type: integer, default: 2 }
nodes:
  sft: { uses: sft, in: { model: models/base, data: d } }
  rounds:
    uses: ./round.yaml
    repeat: { times: "\${{ params.rounds }}", carry: { adapter: dpo.adapter } }
    in: { model: models/base, adapter: "\${{ nodes.sft.adapter }}" }
    with: { tag: "r\${{ round }}", lr: "\${{ round == 1 && 0.25 || 0.125 }}" }
    out: { adapter: "checkpoints/m\${{ round }}" }
  last: { uses: generate, in: { model: models/base, prompts: p, adapter: "\${{ nodes.rounds.adapter }}" } }
  curve: { uses: report, in: { logs: ["\${{ nodes.sft.log }}"], metrics: { "M*": "\${{ nodes.rounds.*.log }}" } } }
`
const files = { 'flows/round.yaml': ROUND }

describe('workflows in workflows, and rounds', () => {
  it('become the nodes within them, each round going on from the one before', () => {
    const workflow = loaded(ROUNDS, { files })
    const round = (number: number) =>
      ['generate', 'judge', 'clean', 'dpo', 'report'].map((name) => `rounds/${number}/${name}`)
    expect(ids(workflow)).toEqual(['sft', ...round(1), ...round(2), 'last', 'curve'])
    expect(inputsOf(workflow, 'rounds/1/generate')).toContain('adapter <- sft.adapter')
    expect(inputsOf(workflow, 'rounds/2/generate')).toContain('adapter <- rounds/1/dpo.adapter')
    expect(inputsOf(workflow, 'rounds/2/dpo')).toEqual([
      'model <- models/base',
      'adapter <- rounds/1/dpo.adapter',
      'data <- rounds/2/clean.preferences',
    ])
    expect(inputsOf(workflow, 'last')).toContain('adapter <- rounds/2/dpo.adapter')
    expect(inputsOf(workflow, 'curve')).toContain('metrics[M2] <- rounds/2/dpo.log')
    const dpo = workflow.nodes.get('rounds/2/dpo' as NodeId)!
    expect(dpo.params).toMatchObject({ learning_rate: 0.125 })
    expect(dpo.outputs).toEqual({ log: 'logs/r2.jsonl', adapter: 'checkpoints/m2' })
    expect(dpo.group).toEqual(['rounds', '2'])
    expect(dpo.file).toBe('flows/round.yaml')
    expect(ROUND.slice(dpo.range.start, dpo.range.end)).toBe('dpo')
    expect(workflow.nodes.get('rounds/1/report' as NodeId)?.skipped?.reason).toContain('inputs.logs')
  })

  it('no rounds let what is carried pass through', () => {
    const source = ROUNDS.replace('dpo.adapter }', 'adapter }')
    const workflow = loaded(source, { files, params: { rounds: '0' } })
    expect(ids(workflow)).toEqual(['sft', 'last', 'curve'])
    expect(inputsOf(workflow, 'last')).toContain('adapter <- sft.adapter')
    expect(inputsOf(workflow, 'curve')).toEqual(['logs[0] <- sft.log'])
  })

  it('a stage repeats as well, and workflows lie in workflows', () => {
    const outer = `nodes:
  a: { uses: ./middle.yaml, matrix: { n: [2, 3] }, with: { n: "\${{ matrix.n }}" } }
  r: { uses: report, in: { logs: "\${{ nodes.a.*.log }}" } }
`
    const middle = `params: { n: { type: integer } }
outputs: { log: "\${{ nodes.again.log }}" }
nodes:
  again: { uses: sft, repeat: { times: "\${{ params.n }}", carry: { adapter: adapter } }, in: { model: m, data: d } }
`
    const workflow = loaded(outer, { files: { 'flows/middle.yaml': middle } })
    expect(ids(workflow)).toEqual([
      'a/n=2/again/1',
      'a/n=2/again/2',
      'a/n=3/again/1',
      'a/n=3/again/2',
      'a/n=3/again/3',
      'r',
    ])
    expect(inputsOf(workflow, 'a/n=3/again/3')).toContain('adapter <- a/n=3/again/2.adapter')
    expect(inputsOf(workflow, 'r')).toEqual([
      'logs[n=2] <- a/n=2/again/2.log',
      'logs[n=3] <- a/n=3/again/3.log',
    ])
  })

  it('a condition on the whole takes all of it out', () => {
    const source = ROUNDS.replace('    repeat:', '    when: "${{ params.rounds != 2 }}"\n    repeat:')
    const workflow = loaded(source, { files })
    const within = [...workflow.nodes.values()].filter((node) => node.group.length > 0)
    expect(within.map((node) => node.skipped?.reason)).toEqual(
      within.map(() => 'its condition is false: params.rounds != 2'),
    )
    expect(inputsOf(workflow, 'last')).toEqual(['model <- models/base', 'prompts <- p'])
  })

  it('defaults of a used file go before what its user says, slots are joined', () => {
    const inner =
      'defaults: { timeout: 1m }\nslots: { api: 2 }\nnodes:\n  x: { uses: sft, in: { model: m, data: d }, resources: { slots: { api: 1 } } }\n'
    const outer =
      'slots: { disk: 1 }\ndefaults: { retry: 3, timeout: 5m }\nnodes:\n  a: { uses: ./x.yaml, retry: 1, stall: 9s }\n'
    const workflow = loaded(outer, { files: { 'flows/x.yaml': inner } })
    expect(workflow.slots).toEqual({ disk: 1, api: 2 })
    expect(workflow.nodes.get('a/x' as NodeId)?.policy).toMatchObject({
      timeoutMs: 60_000,
      stallMs: 9000,
      retry: { times: 1 },
    })
  })

  it.each([
    ['a file that is not there', { uses: './rond.yaml' }, 'missing-file: there is no file `flows/rond.yaml`'],
    ['a file outside', { uses: '../../x.yaml' }, 'bad-path: `../../x.yaml` leads out of the project'],
    [
      'an unknown input',
      { in: '{ model: m, adaptor: a }' },
      'unknown-port: workflow `./round.yaml` has no input `adaptor`',
    ],
    ['a missing input', { in: '{ adapter: a }' }, 'missing-input: node `r` needs input `model` (model)'],
    [
      'an unknown param',
      { with: '{ tag: a, rate: 1 }' },
      'unknown-param: workflow `./round.yaml` has no param `rate`',
    ],
    ['a missing param', { with: '{ lr: 1 }' }, 'missing-param: workflow `./round.yaml` needs param `tag`'],
    [
      'a param of another type',
      { with: '{ tag: a, lr: high }' },
      'wrong-type: param `lr` must be a number, not the string "high"',
    ],
    [
      'an unknown output',
      { port: 'adaptor' },
      'unknown-port: node `r` (workflow `./round.yaml`) has no output `adaptor`',
    ],
    [
      'carrying what it does not have',
      { with: '{ tag: "r${{ round }}" }', repeat: '{ times: 2, carry: { adapter: adaptor } }' },
      'unknown-port: workflow `./round.yaml` has no output `adaptor`',
    ],
    [
      'carrying to nowhere',
      { with: '{ tag: "r${{ round }}" }', repeat: '{ times: 2, carry: { adaptor: adapter } }' },
      'unknown-port: workflow `./round.yaml` has no input `adaptor`',
    ],
    [
      'half a round',
      { repeat: '{ times: 1.5 }' },
      'wrong-type: `nodes.r.repeat.times` must be an integer or a string, not 1.5',
    ],
    [
      'rounds of a text',
      { repeat: '{ times: "${{ params.text }}" }' },
      'out-of-range: `times` must be a whole number from 0 to 1000, not "x"',
    ],
    [
      'an output of another type',
      { port: 'log', to: 'adapter' },
      'type-mismatch: input `adapter` of stage `generate` takes adapter, but `r/dpo.log` is jsonl',
    ],
  ])('%s is refused', (_, field, fault) => {
    const {
      uses = './round.yaml',
      repeat,
      port = 'adapter',
      to = 'adapter',
    } = field as Record<string, string>
    const { in: inputs = '{ model: m }', with: params = '{ tag: a }' } = field as Record<string, string>
    const source = `params: { text: { type: string, default: x } }
nodes:
  r: { uses: ${uses}, in: ${inputs}, with: ${params}${repeat ? `, repeat: ${repeat}` : ''} }
  g: { uses: generate, in: { model: m, prompts: p, ${to}: "\${{ nodes.r.${port} }}" } }
`
    expect(faults(source, { files })).toEqual([fault])
  })

  it('faults within a used file are told at their own place there, once', () => {
    const broken = ROUND.replace('uses: clean', 'uses: cleen')
    const { diagnostics } = load(ROUNDS, { files: { 'flows/round.yaml': broken } })
    expect(diagnostics.map(({ file, code }) => [file, code])).toEqual([['flows/round.yaml', 'unknown-stage']])
    const { start, end } = diagnostics[0]!.range!
    expect(broken.slice(start, end)).toBe('cleen')
  })

  it('a misspelt loop is told once, and not again wherever its values are used', () => {
    const misspelt = ROUNDS.replace('    repeat:', '    repaet:')
    expect(faults(misspelt, { files })).toEqual(['unknown-field: `nodes.rounds` has no field `repaet`'])
    const matrix = `nodes:
  a: { uses: sft, matirx: { n: [1] }, in: { model: m, data: "\${{ matrix.n }}.json" } }
  r: { uses: report, in: { logs: "\${{ nodes.a.*.log }}" } }
`
    expect(faults(matrix)).toEqual(['unknown-field: `nodes.a` has no field `matirx`'])
  })

  it('files that use themselves, and cycles through them, are refused', () => {
    const self = 'nodes:\n  again: { uses: ./w.yaml }\n'
    expect(faults(self, { files: { 'flows/w.yaml': self } })).toEqual([
      'cycle: workflow `./w.yaml` uses itself: flows/w.yaml uses flows/w.yaml',
    ])
    const cycle = `nodes:
  r: { uses: ./round.yaml, in: { model: m, adapter: "\${{ nodes.s.adapter }}" }, with: { tag: a } }
  s: { uses: sft, in: { model: m, data: d, adapter: "\${{ nodes.r.adapter }}" } }
`
    expect(faults(cycle, { files })).toEqual(['cycle: cycle: `r` needs `s` needs `r`'])
  })

  it('a file that declares inputs runs by itself where they have defaults', () => {
    const alone = ROUND.replace('type: model }', 'type: model, default: models/tiny }').replace(
      'type: string }',
      'type: string, default: t }',
    )
    expect(inputsOf(loaded(alone), 'judge')).toContain('model <- models/tiny')
    expect(faults(ROUND, { params: { tag: 'x' } })).toEqual(['missing-input: input `model` has no value'])
  })
})
