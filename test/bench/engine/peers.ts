/** @file Other engines on the same graphs: how each is installed, what a graph is to it, and how it is run. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sourceFile } from './flow-project.ts'
import type { Graph, Task } from './graph.ts'
import type { Command } from './processes.ts'

export interface Peer {
  readonly name: string
  /** Writes the graph as the engine's project. */
  write(folder: string, graph: Graph): void
  run(folder: string, graph: Graph): Command
}

/** Installs all of them below `folder`. @throws Error where an installer fails */
export function installPeers(folder: string, python: string): readonly Peer[] {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n')
  install('npm', ['install', '--no-audit', '--no-fund', 'wireit', 'turbo'], folder)
  install(python, ['-m', 'venv', 'venv'], folder)
  const venv = join(folder, 'venv/bin')
  install(join(venv, 'pip'), ['install', '--quiet', 'snakemake', 'dvc'], folder)
  const npm = join(folder, 'node_modules/.bin')
  return [wireit(npm), turbo(npm), snakemake(venv), dvc(venv)]
}

function install(program: string, args: readonly string[], folder: string): void {
  const { status, stderr } = spawnSync(program, args, { cwd: folder, encoding: 'utf8' })
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed\n${stderr.slice(-2000)}`)
}

/** A task writes a digest of all that it reads, and its name; a text that grew by all that it reads would double in each diamond. */
function shell({ name, needs }: Task, place: (name: string) => string): string {
  const read = needs.length === 0 ? sourceFile : needs.map(place).join(' ')
  return `cat ${read} | sha256sum > ${place(name)}.new && echo ${name} >> ${place(name)}.new && mv ${place(name)}.new ${place(name)}`
}

/** A graph ends in one task but for layers, whose last tasks have no common reader. */
function lastTasks({ tasks }: Graph): readonly string[] {
  const read = new Set(tasks.flatMap(({ needs }) => needs))
  return tasks.map(({ name }) => name).filter((name) => !read.has(name))
}

const outputOf = (name: string) => `out/${name}`

function prepare(folder: string): void {
  mkdirSync(join(folder, 'out'), { recursive: true })
  writeFileSync(join(folder, sourceFile), 'source\n')
}

function wireit(binaries: string): Peer {
  return {
    name: 'wireit',
    write(folder, graph) {
      prepare(folder)
      const scripts = graph.tasks.map((task) => [
        task.name,
        {
          command: shell(task, outputOf),
          files: task.needs.length === 0 ? [sourceFile] : [],
          output: [outputOf(task.name)],
          dependencies: task.needs,
        },
      ])
      const all = { dependencies: lastTasks(graph) }
      const manifest = {
        name: 'graph',
        private: true,
        scripts: Object.fromEntries(
          [...graph.tasks.map(({ name }) => name), 'all'].map((name) => [name, 'wireit']),
        ),
        wireit: Object.fromEntries([...scripts, ['all', all]]),
      }
      writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest, null, 1))
    },
    // As npm would start it, without npm's own quarter of a second.
    run: (folder) => ({
      program: join(binaries, 'wireit'),
      args: [],
      folder,
      environment: {
        npm_lifecycle_event: 'all',
        npm_package_json: join(folder, 'package.json'),
        npm_config_user_agent: 'npm/10.0.0 node/v20 linux x64 workspaces/false',
        WIREIT_LOGGER: 'quiet',
      },
    }),
  }
}

function turbo(binaries: string): Peer {
  const place = (name: string) => `../${name}/out.txt`
  return {
    name: 'turbo',
    write(folder, graph) {
      mkdirSync(folder, { recursive: true })
      const root = { name: 'graph', private: true, packageManager: 'npm@10.8.2', workspaces: ['packages/*'] }
      writeFileSync(join(folder, 'package.json'), JSON.stringify(root))
      // Without git it would count what a task wrote among what the task reads.
      const tasks = {
        build: { dependsOn: ['^build'], inputs: ['package.json', sourceFile], outputs: ['out.txt'] },
      }
      writeFileSync(join(folder, 'turbo.json'), JSON.stringify({ tasks }))
      writeFileSync(
        join(folder, 'package-lock.json'),
        JSON.stringify({ name: 'graph', lockfileVersion: 3, packages: {} }),
      )
      for (const task of graph.tasks) {
        const own = join(folder, 'packages', task.name)
        mkdirSync(own, { recursive: true })
        if (task.needs.length === 0) writeFileSync(join(own, sourceFile), 'source\n')
        const dependencies = Object.fromEntries(task.needs.map((need) => [need, '*']))
        const manifest = {
          name: task.name,
          version: '1.0.0',
          scripts: { build: shell(task, place) },
          dependencies,
        }
        writeFileSync(join(own, 'package.json'), JSON.stringify(manifest))
      }
    },
    run: (folder) => ({
      program: join(binaries, 'turbo'),
      args: [
        'run',
        'build',
        '--no-daemon',
        '--output-logs=none',
        '--dangerously-disable-package-manager-check',
      ],
      folder,
      environment: { TURBO_TELEMETRY_DISABLED: '1', TURBO_NO_UPDATE_NOTIFIER: '1', DO_NOT_TRACK: '1' },
    }),
  }
}

function snakemake(binaries: string): Peer {
  return {
    name: 'Snakemake',
    write(folder, graph) {
      prepare(folder)
      const quoted = (names: readonly string[]) => names.map((name) => `'${outputOf(name)}'`).join(', ')
      const rules = graph.tasks.map((task) => {
        const input = task.needs.length === 0 ? `'${sourceFile}'` : quoted(task.needs)
        return `rule ${task.name}:\n  input: ${input}\n  output: ${quoted([task.name])}\n  shell: "${shell(task, outputOf)}"\n`
      })
      const all = `rule all:\n  input: ${quoted(lastTasks(graph))}\n`
      writeFileSync(join(folder, 'Snakefile'), [all, ...rules].join('\n'))
    },
    run: (folder) => ({
      program: join(binaries, 'snakemake'),
      args: ['--cores', '2', '--quiet', 'all'],
      folder,
    }),
  }
}

function dvc(binaries: string): Peer {
  return {
    name: 'DVC',
    write(folder, graph) {
      prepare(folder)
      const stages = graph.tasks.map((task) => [
        task.name,
        {
          cmd: shell(task, outputOf),
          deps: task.needs.length === 0 ? [sourceFile] : task.needs.map(outputOf),
          outs: [outputOf(task.name)],
        },
      ])
      // JSON is YAML.
      writeFileSync(join(folder, 'dvc.yaml'), JSON.stringify({ stages: Object.fromEntries(stages) }, null, 1))
      install(join(binaries, 'dvc'), ['init', '--no-scm', '--quiet', '--force'], folder)
    },
    run: (folder) => ({
      program: join(binaries, 'dvc'),
      args: ['repro', '--quiet'],
      folder,
      environment: { DVC_NO_ANALYTICS: '1' },
    }),
  }
}
