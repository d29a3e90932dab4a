/** @file How a workflow file says how its nodes run, and what is said of one that says it wrongly. */
import { describe, expect, it, test } from 'vitest'
import { LineIndex } from '../../engine/workflow/line-index.ts'
import { loadWorkflow } from '../../engine/workflow/load.ts'
import type { NodePolicy } from '../../engine/workflow/workflow.ts'
import { catalog } from './catalog.ts'

function load(more: string, head = '', set: Readonly<Record<string, string>> = {}) {
  const source = `${head}nodes:\n  sft:\n    uses: sft\n    in: { model: models/base, data: data/rows.json }\n${more}`
  const { workflow, diagnostics } = loadWorkflow({ file: 'w.yaml', source, catalog, set })
  const lines = new LineIndex(source)
  const faults = diagnostics.map(({ range, code, message, hint }) => {
    const { line, column } = lines.locate(range?.start ?? 0)
    return `${line}:${column} ${code}: ${message}${hint === undefined ? '' : ` (${hint})`}`
  })
  return { workflow, policy: [...(workflow?.nodes.values() ?? [])][0]?.policy, faults }
}

function policyOf(more: string, head = '', set: Readonly<Record<string, string>> = {}): NodePolicy {
  const { policy, faults } = load(more, head, set)
  expect(faults).toEqual([])
  return policy!
}

describe('policy of a node', () => {
  it('is empty where nothing is said', () => {
    expect(policyOf('')).toEqual({})
    expect(policyOf('    env:\n    resources:\n', 'defaults:\nslots:\n')).toEqual({})
  })

  it('has durations and sizes with units', () => {
    const written = `    retry: { times: 2, delay: 1.5s, factor: 3, max_delay: 2m }
    timeout: 2h
    stall: 500ms
    resources: { gpu: 2, memory: 8GiB, slots: { api: 2 } }
    env: { LANG: C, LEVEL: 3, HF_HOME }
`
    expect(policyOf(written, 'slots: { api: 4 }\n')).toEqual({
      retry: { times: 2, delayMs: 1500, factor: 3, maxDelayMs: 120_000 },
      timeoutMs: 7_200_000,
      stallMs: 500,
      resources: { gpus: 2, memoryBytes: 8 * 2 ** 30, slots: { api: 2 } },
      env: { LANG: 'C', LEVEL: '3', HF_HOME: null },
    })
    expect(policyOf('    retry: 2\n').retry).toEqual({
      times: 2,
      delayMs: 5000,
      factor: 2,
      maxDelayMs: 60_000,
    })
  })

  it('stands over the defaults of the workflow, field by field, and env and resources name by name', () => {
    const defaults = `slots: { api: 2, disk: 1 }
defaults:
  retry: 3
  timeout: 1h
  stall: 5m
  resources: { memory: 1GB, slots: { api: 1, disk: 1 } }
  env: { LANG: C, MODE: fast }
`
    const written = `    timeout: none
    resources: { slots: { api: 0 } }
    env: { MODE: slow }
`
    expect(policyOf(written, defaults)).toEqual({
      retry: { times: 3, delayMs: 5000, factor: 2, maxDelayMs: 60_000 },
      timeoutMs: 0,
      stallMs: 300_000,
      resources: { memoryBytes: 1e9, slots: { api: 0, disk: 1 } },
      env: { LANG: 'C', MODE: 'slow' },
    })
  })

  it('takes params, and --set', () => {
    const head = 'params: { limit: { type: string, default: 30m }, gpus: { type: integer, default: 2 } }\n'
    const written = `    timeout: \${{ params.limit }}
    resources: { gpu: \${{ params.gpus }} }
    env: { RUN: "with \${{ params.gpus }}" }
`
    expect(policyOf(written, head, { 'nodes.sft.retry.times': '1' })).toMatchObject({
      timeoutMs: 1_800_000,
      resources: { gpus: 2 },
      env: { RUN: 'with 2' },
      retry: { times: 1 },
    })
  })
})

test.each<[string, string, string, string[]]>([
  [
    'a number without a unit',
    '    timeout: 30\n',
    '',
    ['5:14 wrong-type: `timeout` must be a duration such as `30s`, `5m` or `2h`, or `none`, not 30'],
  ],
  [
    'a unit that is none',
    '    retry: { times: 1, delay: 5 seconds }\n',
    '',
    [
      '5:31 wrong-value: `retry.delay` must be a duration such as `30s`, `5m` or `2h`, not the string "5 seconds"',
    ],
  ],
  [
    'a size without a unit',
    '    resources: { memory: "8" }\n',
    '',
    ['5:26 wrong-value: `resources.memory` must be a size such as `512MiB` or `8GiB`, not the string "8"'],
  ],
  [
    'a mistyped field',
    '    retry: { times: 1, max_dellay: 1m }\n',
    '',
    ['5:24 unknown-field: `retry` has no field `max_dellay` (did you mean `max_delay`?)'],
  ],
  [
    'retries of no number',
    '    retry: often\n',
    '',
    ['5:12 wrong-type: `retry` must be an integer or a mapping, not the string "often"'],
  ],
  [
    'slots that nobody declares',
    '    resources: { slots: { apii: 1 } }\n',
    'slots: { api: 4 }\n',
    ['6:27 unknown-slot: the workflow declares no slots `apii` (did you mean `api`?)'],
  ],
  [
    'slots in a workflow that declares none',
    '    resources: { slots: { api: 1 } }\n',
    '',
    ['5:27 unknown-slot: the workflow declares no slots `api` (declare it: `slots: { api: 1 }` at the top)'],
  ],
  [
    'names that are no names of variables',
    '    env: { MY-NAME: x, CUDA_VISIBLE_DEVICES: "0" }\n',
    '',
    [
      '5:12 bad-name: `MY-NAME` cannot name an environment variable (use letters, digits and `_`, no digit first)',
      '5:24 bad-name: `CUDA_VISIBLE_DEVICES` is set by the engine, to the devices that the node holds (say how many it needs: `resources: { gpu: 1 }`)',
    ],
  ],
  [
    'a default that is no policy, and one that is wrong',
    '',
    'defaults: { with: {}, timeout: soon }\n',
    [
      '1:13 unknown-field: `defaults` has no field `with` (known: `retry`, `stall`, `resources`, `env`)',
      '1:32 wrong-value: `timeout` must be a duration such as `30s`, `5m` or `2h`, or `none`, not the string "soon"',
    ],
  ],
  [
    'a reference where slots are counted',
    '',
    'slots: { api: ${{ params.api }} }\n',
    ['1:15 misplaced-reference: a reference cannot stand in `slots` (write the value out)'],
  ],
  [
    'a param that is not there',
    '    timeout: ${{ params.limit }}\n',
    '',
    ['5:25 unknown-param: there is no param `limit`'],
  ],
])('%s', (_, more, head, expected) => {
  expect(load(more, head).faults).toEqual(expected)
})
