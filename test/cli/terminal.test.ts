import { spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { TestProject } from './test-project.ts'

const flow = fileURLToPath(new URL('../../engine/cli/flow.js', import.meta.url))
const hasScript = spawnSync('script', ['--version']).status === 0 && process.platform === 'linux'
if (!hasScript)
  console.warn('the live view is not tested on a real terminal: `script` of util-linux is not installed')

/** Runs `flow` on a pseudo-terminal of 100 x 30. */
async function onTerminal(
  project: TestProject,
  args: string,
): Promise<{ code: number | null; output: string }> {
  const { CI: _, NO_COLOR: __, ...environment } = process.env
  const child = spawn(
    'script',
    ['-qec', `stty cols 100 rows 30; ${process.execPath} ${flow} ${args}`, '/dev/null'],
    {
      cwd: project.folder,
      env: { ...environment, TERM: 'xterm-256color' },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  let output = ''
  child.stdout.on('data', (data) => {
    output += data
  })
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, output }
}

test.skipIf(!hasScript)(
  'on a terminal: the live view, then the summary; nothing of it when there is nothing to do',
  async () => {
    const project = new TestProject({
      'w.yaml': 'nodes:\n  all: { uses: join, in: { texts: [in.txt, in.txt] }, out: { text: out.txt } }\n',
      'in.txt': 'x',
    })
    const first = await onTerminal(project, 'run w.yaml')
    expect(first.code).toBe(0)
    expect(first.output).toContain('✔')
    expect(first.output).toMatch(/done in .*1 executed\r\n {2}all: out\.txt \(.*\)\r\n/)
    // The cursor is shown again.
    expect(first.output.lastIndexOf('\x1b[?25h')).toBeGreaterThan(first.output.lastIndexOf('\x1b[?25l'))

    const second = await onTerminal(project, 'run w.yaml')
    expect(second).toMatchObject({
      code: 0,
      output: expect.stringMatching(/^nothing to do: 1 node up to date \(.*\)\r\nresults: out\.txt\r\n$/),
    })
  },
)
