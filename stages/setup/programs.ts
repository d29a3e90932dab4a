/** @file Runs the programs that a setup goes through: npm, pip, the compiler. */
import { spawn } from 'node:child_process'
import { StageFailure } from 'flow/stage'

export interface Program {
  readonly command: string
  readonly args: readonly string[]
  readonly folder?: string
  readonly environment?: Readonly<Record<string, string>>
  /** What to do where the program is not installed, or fails. */
  readonly hint: string
}

/** What the program writes to stdout. @throws StageFailure `setup-program` with its last lines */
export async function outputOf(
  { command, args, folder, environment, hint }: Program,
  signal: AbortSignal,
): Promise<string> {
  const child = spawn(command, args, {
    cwd: folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (data: string) => {
    stdout += data
  })
  child.stderr.setEncoding('utf8').on('data', (data: string) => {
    stderr += data
  })
  const [code, fault] = await new Promise<[number | null, Error | undefined]>((resolve) => {
    child.on('error', (error) => resolve([null, error]))
    child.on('close', (code) => resolve([code, undefined]))
  })
  signal.throwIfAborted()
  if (code === 0) return stdout
  const said = stderr.trim().split('\n').slice(-5).join('\n')
  throw new StageFailure({
    code: 'setup-program',
    message: `\`${command} ${args.slice(0, 3).join(' ')} ...\` failed: ${fault?.message ?? said}`,
    hint,
  })
}
