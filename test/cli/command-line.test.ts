import { expect, test } from 'vitest'
import { parseCommandLine } from '../../engine/cli/command-line.ts'
import { runCommand } from '../../engine/cli/run.ts'
import { TestProject } from './test-project.ts'

function codes(...argv: string[]): string[] {
  return parseCommandLine(runCommand, argv).diagnostics.map(({ code }) => code)
}

test('every fault of a command line is reported, with what was meant', () => {
  const { diagnostics } = parseCommandLine(runCommand, ['w.yaml', '--refesh', '--jsno', '--jobs'])
  expect(diagnostics.map(({ code, hint }) => [code, hint])).toEqual([
    ['unknown-option', 'did you mean `--refresh`?'],
    ['unknown-option', 'did you mean `--json`?'],
    ['option-value', '--jobs N'],
  ])
  expect(codes('w.yaml', 'v.yaml')).toEqual(['surplus-argument'])
  expect(codes('w.yaml', '--json=yes')).toEqual(['option-value'])
  expect(codes('w.yaml', '--only', 'a', '--only', 'b')).toEqual(['option-value'])
})

test('--refresh takes a node if one follows it, and never the workflow', () => {
  const refresh = (...argv: string[]) => {
    const { options, positionals, diagnostics } = parseCommandLine(runCommand, argv)
    expect(diagnostics).toEqual([])
    return [options.text('refresh'), positionals]
  }
  expect(refresh('--refresh', 'workflows/w.yaml')).toEqual(['', ['workflows/w.yaml']])
  expect(refresh('w.yaml', '--refresh', 'sft')).toEqual(['sft', ['w.yaml']])
  expect(refresh('w.yaml', '--refresh=sft')).toEqual(['sft', ['w.yaml']])
  expect(refresh('w.yaml', '--refresh', '--json')).toEqual(['', ['w.yaml']])
  expect(refresh('w.yaml', '--param', 'a=1', '--param', 'b=-1')).toEqual([undefined, ['w.yaml']])
})

test('unknown commands, missing and wrong values: exit code 2 and a hint', async () => {
  const project = new TestProject({ 'workflows/w.yaml': 'nodes: {}\n' })
  const cases: [string[], RegExp][] = [
    [['rnu'], /error\[unknown-command\][\s\S]*did you mean `flow run`\?/],
    [['run'], /error\[no-workflow\][\s\S]*workflows\/w\.yaml/],
    [['run', 'workflows/v.yaml'], /error\[unreadable-workflow\][\s\S]*did you mean `workflows\/w\.yaml`\?/],
    [['run', 'workflows/w.yaml', '--jobs', '0'], /--jobs needs a whole number/],
    [['run', 'workflows/w.yaml', '--device', 'gpu'], /there is no device `gpu`/],
    [['run', 'workflows/w.yaml', '--param', 'x'], /--param needs a name and a value/],
    [['stages', 'uper'], /error\[unknown-stage\][\s\S]*did you mean `upper`\?/],
    [['explain'], /which node\?/],
  ]
  for (const [argv, message] of cases) {
    const { code, stdout, stderr } = await project.flow(...argv)
    expect([argv, code, stdout]).toEqual([argv, 2, ''])
    expect(stderr).toMatch(message)
  }
  const json = await project.flow('run', '--json', '--oly', 'x')
  expect(json).toMatchObject({ code: 2, stderr: '' })
  expect(JSON.parse(json.stdout)).toMatchObject({
    type: 'invalid',
    diagnostics: [{ code: 'unknown-option' }],
  })
})

test('help, version, stages and status', async () => {
  const project = new TestProject({
    'w.yaml': 'nodes:\n  a: { uses: upper, in: { text: in.txt } }\n',
    'in.txt': 'x',
  })
  const help = await project.flow('--help')
  expect(help).toMatchObject({ code: 0, stderr: '' })
  for (const name of ['run', 'plan', 'explain', 'status', 'stages'])
    expect(help.stdout).toMatch(new RegExp(`^ {2}${name} `, 'm'))
  expect((await project.flow('run', '--help')).stdout).toContain('--refresh [NODE]')
  expect((await project.flow('--version')).stdout).toMatch(/^flow \d+\.\d+\.\d+\n$/)
  expect((await project.flow('status')).stdout).toBe('nothing has run here yet\n')

  const upper = await project.flow('stages', 'upper')
  expect(upper.stdout).toMatch(/times +integer >= 1 +default 1 +How often the text is repeated/)
  const { stages } = JSON.parse((await project.flow('stages', '--json')).stdout)
  expect(stages).toContainEqual(expect.objectContaining({ name: 'join', origin: 'project' }))
  const schema = JSON.parse((await project.flow('stages', '--schema')).stdout)
  expect(schema).toMatchObject({ title: 'Flow workflow', type: 'object' })

  await project.run('w.yaml')
  expect((await project.flow('status')).stdout).toMatch(
    /^w \(w\.yaml\), ok, .*1 executed\n[\s\S]*a +upper +executed +[\d.]+ s +text \(1 B\)/,
  )
  const { runs } = JSON.parse((await project.flow('status', '--json')).stdout)
  expect(runs).toEqual([expect.objectContaining({ file: 'w.yaml', state: 'ok' })])
})

test("a plugin's command gets its options, and its expected failures are shown without a trace", async () => {
  const project = new TestProject({
    'stages/upper/command.ts': `
import { defineCommand, StageFailure } from 'flow/stage'
export default defineCommand({
  name: 'shout',
  description: 'Shouts',
  options: { loud: { type: 'boolean', description: 'Louder' }, word: { type: 'string', description: 'What', default: 'hey' } },
  async run({ options, positionals }) {
    if (positionals[0] === 'fail') throw new StageFailure({ code: 'no-voice', message: 'no voice', hint: 'drink' })
    process.stdout.write(\`\${options.word}\${options.loud ? '!' : '.'} \${positionals.join(' ')}\\n\`)
    return 0
  },
})
`,
  })
  expect(await project.flow('shout', '--loud', 'a', 'b')).toMatchObject({ code: 0, stdout: 'hey! a b\n' })
  expect((await project.flow('--help')).stdout).toMatch(/^ {2}shout +Shouts$/m)
  const failed = await project.flow('shout', 'fail')
  expect(failed).toMatchObject({ code: 1, stdout: '' })
  expect(failed.stderr).toBe('error[no-voice]: no voice\n  hint: drink\n')
  expect((await project.flow('shout', '--lod')).stderr).toContain('did you mean `--loud`?')
})
