/** @file What stands in `${{ ... }}`: what it gives, and how its faults are told. */
import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../engine/identity.ts'
import { loadWorkflow } from '../../engine/workflow/load.ts'
import { catalog } from './catalog.ts'

/** The template of a judge, in which any text may stand. */
function source(expression: string): string {
  return `params:
  rate: { type: number, default: 0.1 }
  count: { type: integer, default: 0 }
  flag: { type: boolean, default: true }
  size: { type: string, default: small }
  none: { type: string, optional: true }
  list: { type: array, items: integer, default: [1, 2] }
nodes:
  judge:
    uses: judge
    in: { model: m, responses: r }
    with: { template: "got \${{ ${expression} }}" }
`
}

function given(expression: string): unknown {
  const { workflow, diagnostics } = loadWorkflow({ file: 'w.yaml', source: source(expression), catalog })
  expect(diagnostics).toEqual([])
  return workflow?.nodes.get('judge' as NodeId)?.params.template
}

describe('an expression', () => {
  it.each([
    ['params.size', 'small'],
    ["params.size == 'small'", 'true'],
    ["params.size != 'small'", 'false'],
    ['params.rate == 0.1 && params.flag', 'true'],
    ['params.count || params.size', 'small'],
    ['params.flag && params.rate || params.size', '0.1'],
    ['!params.flag || 5', '5'],
    ['params.none ?? params.size', 'small'],
    ["params.none ?? ''", ''],
    ["'' ?? params.size", ''],
    ["params.none || 'it''s'", "it's"],
    ['!(params.count == 0 && params.flag)', 'false'],
    ['-1.5e3', '-1500'],
    ['null == params.none', 'true'],
    ['true && false', 'false'],
    ['params.list', '[1,2]'],
    ['params.flag == true == true', 'true'],
    ["params.size=='small'&&params.flag", 'true'],
    ['1 == 1 && 0 || 2', '2'],
  ])('%s is %s', (expression, text) => {
    expect(given(expression)).toBe(`got ${text}`)
  })

  it.each([
    ['params.size == ', 'bad-reference', '`params.size ==`: ends where a value should stand'],
    [
      'params.size params.rate',
      'bad-reference',
      '`params.size params.rate`: `params.rate` is not expected there',
    ],
    ['(params.size', 'bad-reference', '`(params.size`: has a `(` that is not closed'],
    ['params.rate * 2', 'bad-reference', '`params.rate * 2`: cannot be read from `* 2` on'],
    ['env.HOME && true', 'bad-reference', '`env.HOME` is not a reference'],
    ['params.sise || 1', 'unknown-param', 'there is no param `sise`'],
    ['true || params.sise', 'unknown-param', 'there is no param `sise`'],
    ['each', 'unknown-loop', 'the node has no `foreach`'],
    ['matrix.seed', 'unknown-loop', 'there is no axis `seed`'],
    ['round', 'unknown-loop', 'the node has no `repeat`'],
    ['inputs.model', 'unknown-input', 'there is no input `model`'],
    [`${'('.repeat(60)}1${')'.repeat(60)}`, 'bad-reference', 'is nested too deep'],
  ])('%s is refused', (expression, code, message) => {
    const { diagnostics } = loadWorkflow({ file: 'w.yaml', source: source(expression), catalog })
    expect(diagnostics.map((diagnostic) => diagnostic.code)).toEqual([code])
    expect(diagnostics[0]?.message).toContain(message)
  })

  it('is underlined where its fault is', () => {
    const text = source("params.size == 'a' && params.sise")
    const { diagnostics } = loadWorkflow({ file: 'w.yaml', source: text, catalog })
    const { start, end } = diagnostics[0]!.range!
    expect(text.slice(start, end)).toBe('sise')
    expect(start).toBe(text.lastIndexOf('sise'))
  })
})
