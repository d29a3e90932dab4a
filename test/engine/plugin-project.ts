/** @file A project in a temporary folder, with plugins of its own. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { StageExecution } from '../../engine/stage/execute.ts'
import { executeStage } from '../../engine/stage/execute.ts'
import { loadCatalog } from '../../engine/stage/load-catalog.ts'

export class PluginProject {
  readonly folder = realpathSync(mkdtempSync(path.join(tmpdir(), 'flow-project-')))

  constructor(files: Readonly<Record<string, string>>) {
    for (const [name, content] of Object.entries(files)) this.write(name, content)
  }

  at(name: string): string {
    return path.join(this.folder, name)
  }

  write(name: string, content: string): void {
    mkdirSync(path.dirname(this.at(name)), { recursive: true })
    writeFileSync(this.at(name), content)
  }

  /** Runs the project's stage `name`; its one output is `out`, in the project's folder. */
  async run(name: string, options: Partial<StageExecution> = {}): Promise<Recorded> {
    const { catalog } = await loadCatalog(this.folder)
    const stage = catalog.stages.get(name)
    if (stage === undefined) throw new Error(`no stage ${name}`)
    const recorded: Recorded = { logs: [], progress: [] }
    await executeStage({
      stage,
      inputs: {},
      outputs: { out: this.at('out') },
      params: {},
      device: 'cpu',
      threads: 1,
      checkpoint: this.at('checkpoint'),
      signal: new AbortController().signal,
      onProgress: (progress) => recorded.progress.push(progress),
      onLog: (level, message) => {
        // The worker's word, not the stage's.
        if (!message.startsWith('peak memory')) recorded.logs.push(`${level}: ${message}`)
      },
      ...options,
    })
    return recorded
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }
}

interface Recorded {
  readonly logs: string[]
  readonly progress: Parameters<StageExecution['onProgress']>[0][]
}

/** Source of a stage with one output `out` of type `text`. */
export function stageSource(name: string, body: string, { head = '', fields = '' } = {}): string {
  return `import { defineStage, StageFailure, Type } from 'flow/stage'
${head}
export default defineStage({
  name: '${name}',
  description: 'a stage of a test',
  inputs: {},
  outputs: { out: 'text' },
  params: Type.Object({}),
  ${fields}
  async run(context) {
${body}
  },
})
void StageFailure
`
}
