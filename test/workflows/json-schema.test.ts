/** @file The schema for editors agrees with the loader on good files, and knows the stages. */
import { Ajv } from 'ajv'
import { describe, expect, it } from 'vitest'
import { workflowJsonSchema } from '../../engine/workflow/json-schema.ts'
import { catalog } from './catalog.ts'

const schema = workflowJsonSchema(catalog)
const isValid = new Ajv({ strict: false, allErrors: true }).compile(schema)

function sft(more: object) {
  return { nodes: { sft: { uses: 'sft', in: { model: 'm', data: 'd' }, ...more } } }
}

describe('workflow JSON schema', () => {
  it('is plain data', () => {
    expect(JSON.parse(JSON.stringify(schema))).toEqual(schema)
  })

  it('accepts good nodes, references for any value included', () => {
    expect(isValid(sft({}))).toBe(true)
    expect(isValid(sft({ with: { epochs: 2, lora: { r: '${{ params.r }}' }, max_length: null } }))).toBe(true)
    expect(isValid(sft({ with: { lora: '${{ params.lora }}' }, out: { adapter: 'a' } }))).toBe(true)
    const policy = {
      retry: { times: 2, delay: '5s' },
      timeout: '${{ params.limit }}',
      resources: { gpu: '${{ params.gpus }}', memory: '8GiB', slots: { api: '${{ params.api }}' } },
      env: { LANG: 'C', HF_HOME: null },
    }
    expect(isValid({ ...sft(policy), defaults: policy, slots: { api: 2 } })).toBe(true)
  })

  it.each([
    ['an unknown stage', { nodes: { a: { uses: 'sftt' } } }],
    ['an unknown port', sft({ out: { adaptor: 'a' } })],
    ['a missing input', { nodes: { a: { uses: 'clean', in: {} } } }],
    ['a missing `in`', { nodes: { a: { uses: 'clean' } } }],
    ['a list for a port that takes one', { nodes: { a: { uses: 'clean', in: { judged: ['a'] } } } }],
    ['a wrong parameter', sft({ with: { epochs: 'two' } })],
    ['an unknown nested field', sft({ with: { lora: { rank: 1 } } })],
    ['a missing parameter', { nodes: { a: { uses: 'export', in: { model: 'm' } } } }],
    ['a duration without a unit', sft({ timeout: '30' })],
    ['a default that is wrong', { ...sft({}), defaults: { retry: -1 } }],
    ['an unknown field', { ...sft({}), steps: [] }],
  ])('refuses %s', (_, file) => {
    expect(isValid(file)).toBe(false)
  })
})
