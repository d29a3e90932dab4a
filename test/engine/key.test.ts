import { describe, expect, test } from 'vitest'
import { cacheKey, environmentDigests, type KeyPreimage } from '../../engine/fingerprint/key.ts'
import { differenceText, keyDifferences } from '../../engine/fingerprint/key-difference.ts'
import type { ContentHash } from '../../engine/identity.ts'

const hashA = 'a'.repeat(64) as ContentHash
const hashB = 'b'.repeat(64) as ContentHash

const preimage: KeyPreimage = {
  schema: 1,
  stage: 'sft',
  code: 'c'.repeat(64),
  params: { epochs: 2, learning_rate: 2e-4, lora: { r: 8, alpha: 16, targets: ['q_proj', 'v_proj'] } },
  inputs: { model: hashA, data: { train: hashA, extra: hashB } },
  outputs: { adapter: 'adapter', log: 'training-log' },
  environment: { HF_HOME: null, SEED: 'd'.repeat(64) },
  sources: { 'stages/sft/index.ts': 'e'.repeat(64), 'lm/training/trainer.ts': 'f'.repeat(64) },
}

const explainDifference = (before: KeyPreimage, after: KeyPreimage) =>
  keyDifferences(before, after).map((difference) => differenceText(difference))

describe('rule 1: the cache key', () => {
  test('never changes silently: golden', () => {
    expect(cacheKey(preimage)).toBe('6e95e2331b71db54b8ad377d9cf996a296ce06d2f464c7ceece3f4f6583e6750')
    const bare = { ...preimage, params: {}, inputs: {}, outputs: {}, environment: {} }
    expect(cacheKey(bare)).toBe('140d73984aa0bb433328265dfc90ba45ee63e558417c9e86f9db0b18aa53371b')
    expect(environmentDigests(['A', 'B'], { A: 'x' })).toEqual({
      A: 'e3ff7eb65b645451f4f15139956776ca9c26acca9a6fb98b17578a37df842e76',
      B: null,
    })
  })

  test('depends on every field of the preimage, and on nothing that rides along', () => {
    const changes: readonly Partial<KeyPreimage>[] = [
      { stage: 'dpo' },
      { code: 'd'.repeat(64) },
      { params: { ...preimage.params, epochs: 3 } },
      { params: { ...preimage.params, epochs: '2' } },
      { inputs: { ...preimage.inputs, model: hashB } },
      { inputs: { model: hashA, data: { train: hashB, extra: hashA } } },
      { outputs: { ...preimage.outputs, adapter: 'folder' } },
      { environment: { ...preimage.environment, HF_HOME: '' } },
    ]
    const keys = changes.map((change) => cacheKey({ ...preimage, ...change }))
    expect(new Set([cacheKey(preimage), ...keys]).size).toBe(changes.length + 1)
    expect(cacheKey({ ...preimage, sources: {} })).toBe(cacheKey(preimage))
    const withMore = { ...preimage, node: 'sft', startedAt: 'now' }
    expect(cacheKey(withMore)).toBe(cacheKey(preimage))
  })

  test('rule 15: a secret in a declared variable is neither in the preimage nor in a reason', () => {
    const before = { ...preimage, environment: environmentDigests(['HF_TOKEN'], { HF_TOKEN: 'hunter2' }) }
    const after = { ...preimage, environment: environmentDigests(['HF_TOKEN'], { HF_TOKEN: 'hunter3' }) }
    expect(JSON.stringify([before, explainDifference(before, after)])).not.toContain('hunter')
    expect(explainDifference(before, after)).toEqual(['environment HF_TOKEN changed'])
  })
})

describe('the differences of two keys', () => {
  test('is silent about equal preimages', () => {
    expect(explainDifference(preimage, structuredClone(preimage))).toEqual([])
  })

  test.each<[string, Partial<KeyPreimage>, string[]]>([
    [
      'a number',
      { params: { ...preimage.params, learning_rate: 1e-4 } },
      ['params.learning_rate 2e-4 -> 1e-4'],
    ],
    [
      'nested parameters',
      { params: { ...preimage.params, lora: { r: 16, alpha: 16, rslora: true } } },
      [
        'params.lora.r 8 -> 16',
        'params.lora.rslora added: true',
        'params.lora.targets removed (was ["q_proj","v_proj"])',
      ],
    ],
    ['a type', { params: { ...preimage.params, epochs: '2' } }, ['params.epochs 2 -> "2"']],
    ['an input', { inputs: { ...preimage.inputs, model: hashB } }, ['input model changed']],
    [
      'one value of many',
      { inputs: { model: hashA, data: { train: hashB, extra: hashB } } },
      ['input data.train changed'],
    ],
    ['an input port less', { inputs: { model: hashA } }, ['input data removed']],
    [
      'stage code',
      { code: 'x', sources: { ...preimage.sources, 'stages/sft/index.ts': 'x', 'lm/new.ts': 'y' } },
      ['stage code: lm/new.ts added', 'stage code: stages/sft/index.ts changed'],
    ],
    [
      'stage code of unknown sources',
      { code: 'x', sources: {} },
      ['stage code: lm/training/trainer.ts removed', 'stage code: stages/sft/index.ts removed'],
    ],
    ['stage code with equal sources', { code: 'x' }, ['stage code changed']],
    ['the stage', { stage: 'dpo' }, ['stage sft -> dpo']],
    [
      'an output type',
      { outputs: { adapter: 'model', log: 'training-log' } },
      ['output adapter: type adapter -> model'],
    ],
    [
      'the environment',
      { environment: { HF_HOME: 'x', SEED: null } },
      ['environment HF_HOME is now set', 'environment SEED is no longer set'],
    ],
  ])('names %s', (_name, change, lines) => {
    expect(explainDifference(preimage, { ...preimage, ...change })).toEqual(lines)
  })

  test('rule 3: names the package whose version changed', () => {
    const before = { ...preimage, packages: ['@scope/maths@1.0.0', 'typebox@1.4.3'] }
    const after = { ...before, code: 'x', packages: ['@scope/maths@1.0.1', 'added@1.0.0', 'typebox@1.4.3'] }
    expect(explainDifference(before, after)).toEqual([
      'stage code: package @scope/maths 1.0.0 -> 1.0.1',
      'stage code: package added added',
    ])
    expect(cacheKey({ ...after, packages: [] })).toBe(cacheKey(after))
  })

  test('keeps every line short', () => {
    const after = { ...preimage, params: { ...preimage.params, epochs: 'long '.repeat(100) } }
    for (const line of explainDifference(preimage, after)) expect(line.length).toBeLessThan(100)
  })
})
