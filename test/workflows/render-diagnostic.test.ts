/** @file How diagnostics look, to the character. */
import { describe, expect, it } from 'vitest'
import type { Diagnostic } from '../../engine/diagnostic.ts'
import { displayWidth } from '../../engine/workflow/display-width.ts'
import { loadWorkflow } from '../../engine/workflow/load.ts'
import { renderDiagnostics } from '../../engine/workflow/render-diagnostic.ts'
import { catalog } from './catalog.ts'

/** Marks `text`'s first place in `source`. */
function render(source: string, text: string, more: Partial<Diagnostic> = {}, color = false): string {
  const start = source.indexOf(text)
  const range = { start, end: start + text.length }
  const diagnostic: Diagnostic = {
    code: 'odd',
    severity: 'error',
    message: 'it is odd',
    file: 'w.yaml',
    range,
    ...more,
  }
  return renderDiagnostics([diagnostic], () => source, { color })
}

function lines(...text: string[]): string {
  return `${text.join('\n')}\n`
}

describe('rendering', () => {
  it('shows position, line, squiggle and hint, one block a fault', () => {
    const source = 'nodes:\n  sft:\n    uses: sftt\n    in: { model: m, data: d }\n    wiht: {}\n'
    const { diagnostics } = loadWorkflow({ file: 'flows/w.yaml', source, catalog, params: { n: '1' } })
    expect(renderDiagnostics(diagnostics, () => source, { color: false })).toBe(
      lines(
        'flows/w.yaml:3:11: error[unknown-stage]: there is no stage `sftt`',
        ' 3 |     uses: sftt',
        '   |           ~~~~',
        '   hint: did you mean `sft`?',
        '',
        'flows/w.yaml:5:5: error[unknown-field]: `nodes.sft` has no field `wiht`',
        ' 5 |     wiht: {}',
        '   |     ~~~~',
        '   hint: did you mean `with`?',
        '',
        '--param n=1: error[unknown-param]: the workflow has no param `n`',
      ),
    )
  })

  it('marks one character, and an empty span, by a caret', () => {
    expect(render('a: b', 'b')).toBe(lines('w.yaml:1:4: error[odd]: it is odd', ' 1 | a: b', '   |    ^'))
    expect(render('a:', '', { range: { start: 2, end: 2 } })).toBe(
      lines('w.yaml:1:3: error[odd]: it is odd', ' 1 | a:', '   |   ^'),
    )
  })

  it('keeps the squiggle under wide characters, combining marks and tabs', () => {
    expect(render('名前: 値段 # x', '値段')).toBe(
      lines('w.yaml:1:5: error[odd]: it is odd', ' 1 | 名前: 値段 # x', '   |       ~~~~'),
    )
    expect(render('e\u0301: 🙂 ok', 'ok')).toBe(
      lines('w.yaml:1:8: error[odd]: it is odd', ' 1 | e\u0301: 🙂 ok', '   |       ~~'),
    )
    expect(render('a\t\tb', 'b')).toBe(
      lines('w.yaml:1:4: error[odd]: it is odd', ' 1 | a       b', '   |         ^'),
    )
    expect(render('ab\tc', '\tc')).toBe(
      lines('w.yaml:1:3: error[odd]: it is odd', ' 1 | ab  c', '   |   ~~~'),
    )
  })

  it('cuts spans of several lines at the line end, with either line ending', () => {
    expect(render('x\r\na: [1,\r\n  2]\r\n', '[1,\r\n  2]')).toBe(
      lines('w.yaml:2:4: error[odd]: it is odd', ' 2 | a: [1,', '   |    ~~~'),
    )
  })

  it('shows the part of a long line that matters', () => {
    const text = render(`${'a'.repeat(500)}!!!${'b'.repeat(500)}`, '!!!')
    const [, shown, marks] = text.split('\n')
    expect(shown!.indexOf('!!!')).toBe(marks!.indexOf('~~~'))
    expect(shown!.length).toBeLessThan(180)
    expect(shown).toMatch(/^ 1 \| …a+!!!b+…$/)
  })

  it('does without a source, a range or a file', () => {
    const fault: Diagnostic = { code: 'odd', severity: 'warning', message: 'it is odd', hint: 'look' }
    const plain = (diagnostic: Diagnostic) =>
      renderDiagnostics([diagnostic], () => undefined, { color: false })
    expect(plain(fault)).toBe(lines('warning[odd]: it is odd', '  hint: look'))
    expect(plain({ ...fault, file: 'w.yaml', range: { start: 1, end: 2 } })).toBe(
      lines('w.yaml: warning[odd]: it is odd', '  hint: look'),
    )
    expect(renderDiagnostics([], () => '', { color: true })).toBe('')
  })

  it('prints no control characters of the file', () => {
    expect(render('a: \u001b[31mred', 'red')).toContain(' 1 | a: \ufffd[31mred')
  })

  it('paints on demand', () => {
    expect(render('a: b', 'b', { hint: 'look' }, true)).toBe(
      lines(
        'w.yaml:1:4: \u001b[31merror[odd]\u001b[0m: \u001b[1mit is odd\u001b[0m',
        '\u001b[2m 1 \u001b[0m\u001b[2m|\u001b[0m a: b',
        '   \u001b[2m|\u001b[0m    \u001b[31m^\u001b[0m',
        '   \u001b[36mhint\u001b[0m: look',
      ),
    )
  })
})

describe('display width', () => {
  it.each([
    ['abc', 3],
    ['', 0],
    ['日本', 4],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
    ['ﾊﾝ', 2],
    ['한글', 4],
  ])('%s', (text, cells) => {
    expect(displayWidth(text)).toBe(cells)
  })
})
