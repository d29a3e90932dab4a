/** @file Values of params from files. */
import { describe, expect, it } from 'vitest'
import { loadWorkflow } from '../../engine/workflow/load.ts'
import { catalog } from './catalog.ts'

interface Given {
  readonly files?: Readonly<Record<string, string>>
  readonly params?: Readonly<Record<string, string>>
}

function load(source: string, { files = {}, params = {} }: Given = {}) {
  return loadWorkflow({ file: 'flows/w.yaml', source, catalog, params, readFile: (path) => files[path] })
}

function paramsOf(source: string, given: Given) {
  const { workflow, diagnostics } = load(source, given)
  expect(diagnostics).toEqual([])
  return workflow!.params
}

function faults(source: string, given: Given = {}): string[] {
  return load(source, given).diagnostics.map(({ code, message }) => `${code}: ${message}`)
}

describe('include', () => {
  const source = `include: [base.yaml, ../big.yaml]
params:
  epochs: { type: integer, minimum: 1, default: 1 }
  rate: { type: number, default: 0.5 }
nodes:
  sft: { uses: sft, in: { model: m, data: d }, with: { epochs: "\${{ params.epochs }}", learning_rate: "\${{ params.rate }}" } }
`
  const values = { 'flows/base.yaml': 'epochs: 2\nrate: 0.25\n', 'big.yaml': 'epochs: 3\n' }

  it('takes values of params from files, the later before the earlier, the command line before all', () => {
    expect(paramsOf(source, { files: values })).toEqual({ epochs: 3, rate: 0.25 })
    expect(paramsOf(source, { files: values, params: { epochs: '9' } }).epochs).toBe(9)
  })

  it('tells its faults at their place', () => {
    const wrong = { ...values, 'big.yaml': 'epochs: 0\nepoch: 1\n' }
    const { diagnostics } = load(source, { files: wrong })
    expect(diagnostics.map(({ file, code, message }) => [file, code, message])).toEqual([
      ['big.yaml', 'out-of-range', 'param `epochs` must be at least 1, not 0'],
      ['big.yaml', 'unknown-param', 'the workflow has no param `epoch`'],
    ])
    expect(faults(source)).toEqual([
      'missing-file: there is no file `flows/base.yaml`',
      'missing-file: there is no file `big.yaml`',
    ])
    expect(faults(source, { files: { ...values, 'big.yaml': '[1]' } })).toEqual([
      'wrong-type: a file of params must be a mapping, not a list',
    ])
  })
})
