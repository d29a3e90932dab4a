/** @file Which modules carry an adapter: PEFT's choice for PEFT's settings, and Python's patterns in JavaScript. */
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../lm/checkpoint/folder.ts'
import { parseAdapterConfig } from '../../lm/checkpoint/peft-config.ts'
import { fullMatch } from '../../lm/checkpoint/python-pattern.ts'
import { freshAdapter } from '../../lm/model/adapter.ts'
import { decoderConfig } from '../../lm/model/config.ts'
import { plainLora } from '../../lm/model/lora.ts'
import { loraModules } from '../../lm/model/lora-modules.ts'
import { readReference, referencePath } from './reference.ts'

interface Selection {
  readonly settings: Readonly<Record<string, unknown>>
  /** Rank and scale by module. */
  readonly modules: Readonly<Record<string, readonly [number, number]>>
}

const selections = readReference<Selection[]>('lora-modules.json')
const folder = referencePath('models/llama')
const config = decoderConfig(openCheckpoint(folder).config, folder)
const settingsOf = (fields: object) =>
  parseAdapterConfig('adapter_config.json', { peft_type: 'LORA', r: 4, lora_alpha: 8, ...fields })

describe('modules', () => {
  it.each(selections)("are PEFT's for $settings", ({ settings, modules }) => {
    const ours = loraModules(config, settingsOf(settings)).map(({ module, r, scaling }) => [
      module,
      [r, scaling],
    ])
    const theirs = Object.entries(modules).map(([module, [r, scaling]]) => [
      module,
      [r, expect.closeTo(scaling, 7)],
    ])
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(theirs))
  })

  it('are found by their names in a model that also sees', () => {
    const fields = { target_modules: 'model\\.language_model\\.layers\\.1\\..*v_proj' }
    const inText = loraModules(config, settingsOf(fields))
    expect(inText).toEqual([])
    const inBoth = loraModules(config, { ...settingsOf(fields), decoderPath: 'model.language_model' })
    expect(inBoth.map(({ module }) => module)).toEqual(['model.layers.1.self_attn.v_proj'])
  })
})

describe('a fresh adapter beside a vision tower', () => {
  it('takes patterns on whole names, with the decoder where PEFT sees it', () => {
    const targets = 'model\\.language_model\\.layers\\.\\d+\\.self_attn\\.q_proj'
    const beside = { ...config, decoderPath: 'model.language_model' }
    const { modules } = freshAdapter(
      { config: beside, weights: {} },
      { ...plainLora, r: 2, alpha: 4, targets },
      0,
    )
    expect(modules.map(({ module }) => module)).toEqual([
      'model.layers.0.self_attn.q_proj',
      'model.layers.1.self_attn.q_proj',
    ])
  })
})

describe("Python's patterns", () => {
  it.each([
    ['a{,2}', ['', 'a', 'aa'], ['aaa', 'a{,2}']],
    ['a{}', ['a{}'], ['a']],
    ['a{2}b?', ['aa', 'aab'], ['a']],
    ['x\\Z|\\Ay', ['x', 'y'], ['xy']],
    ['[]a]+', [']a'], ['[]']],
    ['[^]a]', ['b'], [']', 'a']],
    ['[a\\-z]', ['-'], ['b']],
    ['\\#\\-\\_\\/', ['#-_/'], ['\\#']],
    ['(?P<n>a)|b', ['a', 'b'], ['ab']],
    ['a.c', ['abc'], ['ac', 'xabc', 'abcx']],
  ])('%s', (pattern, fitting, others) => {
    const fits = fullMatch(pattern)
    expect([fitting.filter((text) => !fits(text)), others.filter(fits)]).toEqual([[], []])
  })

  it.each([
    '(?i)q',
    '(?i:q)',
    '(a)\\1',
    '(?P<n>a)(?P=n)',
    'a++',
    'a?+',
    '(?>a)',
    '(a)?(?(1)b|c)',
    '(?#x)',
    '\\q',
    'a\\',
    '(',
    '[a',
    '*',
    'a**',
    '\\Bb\\N{DASH}',
  ])('refuses %s', (pattern) => {
    expect(() => fullMatch(pattern)).toThrow(expect.objectContaining({ code: 'unsupported-pattern' }))
  })
})
