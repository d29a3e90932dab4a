import { describe, expect, it } from 'vitest'
import { editDistance, suggest, suggestionHint } from '../../engine/workflow/suggest.ts'

describe('suggest', () => {
  const stages = ['sft', 'generate', 'judge', 'clean', 'dpo', 'grpo', 'gspo']

  it.each([
    ['sftt', 'sft'],
    ['stf', 'sft'],
    ['SFT', 'sft'],
    ['genrate', 'generate'],
    ['generator', 'generate'],
    ['gropo', 'grpo'],
    ['pretrain', undefined],
    ['x', undefined],
    ['', undefined],
  ])('%s -> %s', (word, near) => {
    expect(suggest(word, stages)).toBe(near)
  })

  it('never offers the word itself', () => {
    expect(suggest('dpo', ['dpo'])).toBeUndefined()
  })

  it('lists what there is where nothing is near', () => {
    expect(suggestionHint('judgement', ['a', 'b'])).toBe('known: `a`, `b`')
    expect(suggestionHint('x', [])).toBeUndefined()
    expect(
      suggestionHint(
        'long-name',
        Array.from({ length: 40 }, (_, n) => `p${n}`),
      ),
    ).toMatch(/`p15`, \.\.\.$/)
  })

  it('counts a swap of neighbours as one slip, and stops at the limit', () => {
    expect(editDistance('abcd', 'acbd', 4)).toBe(1)
    expect(editDistance('kitten', 'sitting', 9)).toBe(3)
    expect(editDistance('', 'abc', 9)).toBe(3)
    expect(editDistance('aaaaaaaa', 'bbbbbbbb', 2)).toBe(3)
  })
})
