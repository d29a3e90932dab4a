/** @file A project with the shipped workflow, model and data, in which tests run the main job with small settings. */
import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Plan } from '../../engine/plan/plan.ts'
import { type Finished, type FinishedRun, RunningFlow, withEvents } from '../cli/test-project.ts'

const shipped = fileURLToPath(new URL('../..', import.meta.url))

export const workflow = 'workflows/self-reward.yaml'
export const nodes = [
  'clean',
  'dpo',
  'evaluate_dpo',
  'evaluate_grpo',
  'evaluate_gspo',
  'evaluate_sft',
  'generate',
  'grpo',
  'gspo',
  'judge',
  'report',
  'sft',
]

/** Every value in it costs a tenth of what it costs by default, and none depends on how good the model is. */
const small = {
  limit: 4,
  max_steps: 2,
  candidates: 2,
  votes: 1,
  new_tokens: 8,
  judge_tokens: 8,
  sft_batch: 4,
  dpo_batch: 4,
  policy_batch: 4,
}

export class MainJob {
  readonly folder: string
  readonly #params: readonly string[]

  /**
   * @param params of the workflow, where they differ from small ones
   * @param rows how many rows of its data it takes: reading them costs more than the steps do
   */
  constructor(params: Partial<Record<keyof typeof small, number>> = {}, rows = 40) {
    this.folder = mkdtempSync(join(tmpdir(), 'flow-main-job-'))
    const all = Object.entries({ ...small, ...params })
    this.#params = all.flatMap(([name, value]) => ['--param', `${name}=${value}`])
    cpSync(join(shipped, workflow), join(this.folder, workflow))
    cpSync(join(shipped, 'checkpoints/tiny-base'), join(this.folder, 'checkpoints/tiny-base'), {
      recursive: true,
    })
    const instructions = JSON.parse(readFileSync(join(shipped, 'data/alpaca_mini.json'), 'utf8')) as object[]
    this.write('data/alpaca_mini.json', JSON.stringify(instructions.slice(0, rows)))
    for (const name of ['judge_training', 'prompts', 'heldout', 'dpo_training_manual']) {
      const path = `data/${name}.jsonl`
      const lines = readFileSync(join(shipped, path), 'utf8').split('\n')
      this.write(path, `${lines.slice(0, rows).join('\n').trimEnd()}\n`)
    }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** All that runs have left, as if there had been none. */
  wipe(): void {
    for (const path of ['.flow', ...this.outputPaths()]) {
      rmSync(join(this.folder, path), { recursive: true, force: true })
    }
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(join(this.folder, path)), { recursive: true })
    writeFileSync(join(this.folder, path), text)
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), 'utf8')
  }

  rows(path: string): Record<string, unknown>[] {
    return this.read(path)
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line))
  }

  start(...args: string[]): RunningFlow {
    return new RunningFlow(this.folder, ['run', '--json', workflow, ...this.#params, ...args], {})
  }

  async run(...args: string[]): Promise<FinishedRun> {
    return withEvents(await this.start(...args).finished)
  }

  /** Node -> what `flow plan` says of it. */
  async plan(...args: string[]): Promise<Map<string, string>> {
    const planning = new RunningFlow(this.folder, ['plan', '--json', workflow, ...this.#params, ...args], {})
    const { code, stdout, stderr }: Finished = await planning.finished
    if (code !== 0) throw new Error(`flow plan: exit code ${code}\n${stderr}`)
    const plan = JSON.parse(stdout) as Plan
    return new Map(plan.nodes.map(({ node, decision }) => [node, decision]))
  }

  /** Path -> digest of each file that the run wrote outside the store. */
  outputs(): Record<string, string> {
    const files = this.outputPaths().flatMap((path) => this.#files(path))
    return Object.fromEntries(files.map((path) => [path, this.#digest(path)]))
  }

  /** Paths of all blobs, sorted. */
  blobs(): string[] {
    return this.#files('.flow/blobs')
  }

  /** Path -> digest of each blob's bytes. */
  blobDigests(): Record<string, string> {
    return Object.fromEntries(this.blobs().map((path) => [path, this.#digest(path)]))
  }

  /** Keys that have an action record. */
  recordedKeys(): Set<string> {
    const names = this.#files('.flow/actions').map((path) => path.slice(path.lastIndexOf('/') + 1))
    return new Set(names.map((name) => name.replace(/\.json$/, '')))
  }

  outputPaths(): string[] {
    return [
      ...['raw_responses', 'raw_responses_full', 'self_reward_samples'].map((name) => `data/${name}.jsonl`),
      ...['dpo', 'grpo', 'gspo'].map((name) => `data/${name}_training.jsonl`),
      ...['sft_adaptor', 'dpo_no_self_instruction', 'grpo_adapter', 'gspo_adapter'].map(
        (name) => `checkpoints/${name}`,
      ),
      ...['sft', 'dpo', 'grpo', 'gspo'].map((name) => `reports/${name}_loss.jsonl`),
      'reports/self-reward.html',
    ]
  }

  /** The path itself if it is a file, else all files below it, sorted. */
  #files(path: string): string[] {
    try {
      const entries = readdirSync(join(this.folder, path), { recursive: true, withFileTypes: true })
      return entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(this.folder.length + 1))
        .sort()
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOTDIR') return [path]
      if (code === 'ENOENT') return []
      throw error
    }
  }

  #digest(path: string): string {
    return createHash('sha256')
      .update(readFileSync(join(this.folder, path)))
      .digest('hex')
  }
}

/** `node.port` -> hash of each output of a finished run. */
export function outputHashes({ events }: FinishedRun): Record<string, string> {
  const hashes = events.flatMap((event) =>
    event.type === 'node-finished'
      ? Object.entries(event.outputs).map(([port, { hash }]) => [`${event.node}.${port}`, hash] as const)
      : [],
  )
  return Object.fromEntries(hashes.sort(([one], [other]) => (one < other ? -1 : 1)))
}
