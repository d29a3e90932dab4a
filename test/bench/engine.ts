/**
 * @file `npm run bench -- engine`: what the engine itself costs, on generated graphs of many trivial tasks, as whole
 * processes; with `--peers PYTHON` beside wireit, turbo, Snakemake and DVC on the same graphs.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { inWords, machine } from './compare/machine.ts'
import { type StageKind, sourceFile, workflowFile, writeFlowProject } from './engine/flow-project.ts'
import { type Row, rowsText } from './engine/goals.ts'
import { graphOf, type Shape, shapes } from './engine/graph.ts'
import { measureHashing } from './engine/hashing.ts'
import { installPeers, type Peer } from './engine/peers.ts'
import { type Command, timeInTurns, timeProcess } from './engine/processes.ts'
import { root } from './flow.ts'
import { median } from './works/measure.ts'

const usage = `npm run bench -- engine [options]

  --size N       number of tasks; may be repeated (10, 100, 1000, 10000)
  --shape NAME   ${shapes.join(', ')}; may be repeated (all)
  --only WORK    graphs, overhead, cut-off, hashing; may be repeated (all)
  --data N       GiB of the large data set (20)
  --turns N      how often an idle run, and the overhead of a node, is timed (5)
  --peers PYTHON installs wireit, turbo, Snakemake and DVC into a temporary folder and runs them on the same graphs
  --limit N      seconds after which a peer's run is given up, with all of its larger ones (120)
  --json FILE    where the outcomes go`

const works = ['graphs', 'overhead', 'cut-off', 'hashing'] as const

const flow = (folder: string, ...args: readonly string[]): Command => ({
  program: process.execPath,
  args: [join(root, 'engine/cli/flow.js'), ...args],
  folder,
})
const flowRun = (folder: string, ...args: readonly string[]) => flow(folder, 'run', workflowFile, ...args)
const bareNode = (folder: string): Command => ({ program: process.execPath, args: ['-e', '0'], folder })

export async function main(argv: string[]): Promise<number> {
  let options: ReturnType<typeof readOptions>
  try {
    options = readOptions(argv)
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${usage}`)
    return 2
  }
  const folder = mkdtempSync(join(tmpdir(), 'flow-bench-'))
  const rows: Row[] = []
  const say = (...added: readonly Row[]) => {
    for (const row of added) process.stderr.write(`${row.work}: ${row.figure}\n`)
    rows.push(...added)
  }
  try {
    const peers = options.peers === undefined ? [] : installPeers(join(folder, 'peers'), options.peers)
    const has = (work: (typeof works)[number]) => options.only.includes(work)
    if (has('graphs')) await measureGraphs(folder, options, peers, say)
    if (has('overhead')) await measureOverhead(folder, options.turns, say)
    if (has('cut-off')) await measureCutOff(folder, say)
    if (has('hashing')) await sayHashing(folder, options.dataBytes, say)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  const stated = machine()
  console.log(`\n${rowsText(rows)}\n\n${inWords(stated)}`)
  mkdirSync(dirname(options.json), { recursive: true })
  writeFileSync(
    options.json,
    `${JSON.stringify({ command: ['engine', ...argv], machine: stated, rows }, null, 2)}\n`,
  )
  console.log(`outcomes: ${relative(root, options.json)}`)
  return 0
}

type Say = (...rows: readonly Row[]) => void

/** What an idle run may take, in times of a bare Node. */
const idleGoals: Readonly<Record<number, number>> = { 10: 2, 100: 2, 1000: 4 }

async function measureGraphs(
  folder: string,
  options: ReturnType<typeof readOptions>,
  peers: readonly Peer[],
  say: Say,
): Promise<void> {
  const givenUp = new Set<string>()
  for (const shape of options.shapes) {
    for (const size of options.sizes) {
      const project = join(folder, `${shape}-${size}`)
      const graph = graphOf(shape, size)
      writeFlowProject(project, graph, 'light')
      const work = `${shape} of ${size}`
      const isLarge = size === 10_000
      const plan = await timeProcess({ ...flow(project, 'plan', workflowFile), samplesMemory: isLarge })
      say(timeRow(`${work}: first plan`, plan?.seconds, size === 10_000 ? 1.5 : undefined))
      const planAgain = await timeProcess(flow(project, 'plan', workflowFile))
      say(timeRow(`${work}: plan again`, planAgain?.seconds, size === 10_000 ? 1.5 : undefined))
      const first = await timeProcess(flowRun(project))
      say(timeRow(`${work}: first run`, first?.seconds))
      // The first idle run may still read what was just written.
      await timeProcess(flowRun(project))
      const idle = await timeProcess({ ...flowRun(project), samplesMemory: isLarge })
      if (isLarge) {
        const peak = Math.max(plan?.peakBytes ?? 0, idle?.peakBytes ?? 0) / 1e6
        say({
          work: `${work}: peak memory`,
          figure: `${peak.toFixed(0)} MB`,
          value: peak,
          ...judged(peak, 300, 'MB'),
        })
      }
      const [bare = 0, ours = 0] = await timeInTurns([bareNode(project), flowRun(project)], options.turns)
      const times = ours / bare
      const goal = idleGoals[size]
      say({
        work: `${work}: idle run`,
        figure: `${ours.toFixed(3)} s, ${times.toFixed(2)} x bare Node (${bare.toFixed(3)} s)`,
        value: times,
        ...(goal !== undefined && judged(times, goal, 'x')),
      })
      for (const peer of peers)
        await measurePeer(folder, peer, shape, size, options.limitSeconds, givenUp, say)
      rmSync(project, { recursive: true, force: true })
    }
  }
}

async function measurePeer(
  folder: string,
  peer: Peer,
  shape: Shape,
  size: number,
  limitSeconds: number,
  givenUp: Set<string>,
  say: Say,
): Promise<void> {
  const kind = `${peer.name} ${shape}`
  const work = `${shape} of ${size}: ${peer.name}`
  if (givenUp.has(kind)) {
    say({ work, figure: 'left out: a smaller one took too long or failed' })
    return
  }
  const graph = graphOf(shape, size)
  const project = join(folder, `${peer.name}-${shape}-${size}`)
  try {
    peer.write(project, graph)
    const command = { ...peer.run(project, graph), limitSeconds }
    const first = await timeProcess(command)
    const idle = first === undefined ? undefined : await timeProcess(command)
    if (first === undefined) givenUp.add(kind)
    say(timeRow(`${work}, first run`, first?.seconds), timeRow(`${work}, idle run`, idle?.seconds))
  } catch (error) {
    givenUp.add(kind)
    say({
      work,
      figure: `failed: ${(error as Error).message.split('\n').slice(0, 2).join(' ').slice(0, 160)}`,
    })
  } finally {
    rmSync(project, { recursive: true, force: true })
  }
}

/** What a node costs beyond its own work: of a graph in whose nodes nothing happens. */
async function measureOverhead(folder: string, turns: number, say: Say): Promise<void> {
  const light = await secondsOfNodes(folder, 'light', 500, turns)
  say({
    work: 'overhead a node, in-process',
    figure: `${(light * 1000).toFixed(2)} ms`,
    value: light * 1000,
    ...judged(light * 1000, 1, 'ms'),
  })
  const spawned = await secondsOfNodes(folder, 'process', 20, turns)
  const bare = await secondsOfForks(folder, 20)
  const beyond = (spawned - bare) * 1000
  say({
    work: 'overhead a node, as a process',
    figure: `${(spawned * 1000).toFixed(1)} ms, a bare fork takes ${(bare * 1000).toFixed(1)} ms`,
    value: beyond,
    ...judged(beyond, 2, 'ms beyond the fork'),
  })
}

/** Of a first run, beyond that of a few nodes; one after another. */
async function secondsOfNodes(folder: string, kind: StageKind, size: number, turns: number): Promise<number> {
  const few = 4
  const seconds: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    const [short = 0, long = 0] = [await secondsOfRun(few), await secondsOfRun(size)]
    seconds.push((long - short) / (size - few))
  }
  return median(seconds)

  async function secondsOfRun(nodes: number): Promise<number | undefined> {
    const project = mkdtempSync(join(folder, `overhead-${kind}-`))
    writeFlowProject(project, graphOf('chain', nodes), kind)
    // Compiles the stages and reads the workflow.
    await timeProcess(flow(project, 'plan', workflowFile))
    return (await timeProcess(flowRun(project, '--jobs', '1')))?.seconds
  }
}

async function secondsOfForks(folder: string, times: number): Promise<number> {
  const program = join(folder, 'empty.mjs')
  writeFileSync(program, '')
  const seconds: number[] = []
  for (let turn = 0; turn < times; turn++) {
    const startMs = performance.now()
    await once(fork(program, [], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] }), 'close')
    seconds.push((performance.now() - startMs) / 1000)
  }
  return median(seconds)
}

async function measureCutOff(folder: string, say: Say): Promise<void> {
  const project = join(folder, 'cut-off')
  writeFlowProject(project, graphOf('chain', 1000), 'light')
  await timeProcess(flowRun(project))
  // The first task trims it away.
  writeFileSync(join(project, sourceFile), 'source\n\n')
  const timed = await timeProcess(flowRun(project, '--json'))
  const [last = '{}'] = (timed?.output ?? '').trimEnd().split('\n').slice(-1)
  const { nodes } = JSON.parse(last) as { readonly nodes?: { readonly executed: number } }
  const executed = nodes?.executed ?? Number.NaN
  say({
    work: 'root edited, output unchanged, chain of 1000',
    figure: `${executed} executed, ${timed?.seconds.toFixed(2)} s`,
    value: executed,
    goal: 'exactly 1',
    met: executed === 1,
  })
}

async function sayHashing(folder: string, dataBytes: number, say: Say): Promise<void> {
  const { gibibyte, recheck } = await measureHashing(folder, dataBytes)
  const share = gibibyte.limitSeconds / gibibyte.hashSeconds
  const rate = (seconds: number) => `${(1.073741824 / seconds).toFixed(2)} GB/s`
  say(
    {
      work: 'first hash of 1 GiB',
      figure: `${rate(gibibyte.hashSeconds)}, ${share.toFixed(2)} x the limit of sha256 (${rate(gibibyte.limitSeconds)})`,
      value: share,
      goal: 'at least 0.9 x',
      met: share >= 0.9,
    },
    {
      work: `recheck of ${(recheck.bytes / 1e9).toFixed(1)} GB unchanged, ${recheck.files} files`,
      figure: `${recheck.bytesRead} bytes read, ${(recheck.seconds * 1000).toFixed(1)} ms`,
      value: recheck.bytesRead,
      ...judged(recheck.bytesRead, 0, 'bytes'),
    },
  )
}

function timeRow(work: string, seconds: number | undefined, goalSeconds?: number): Row {
  if (seconds === undefined) return { work, figure: 'given up' }
  const goal = goalSeconds === undefined ? {} : judged(seconds, goalSeconds, 's')
  return { work, figure: `${seconds.toFixed(2)} s`, value: seconds, ...goal }
}

function judged(value: number, most: number, unit: string): Pick<Row, 'goal' | 'met'> {
  return { goal: `at most ${most} ${unit}`, met: value <= most }
}

function readOptions(argv: readonly string[]) {
  const text = { type: 'string' } as const
  const many = { type: 'string', multiple: true } as const
  const { values } = parseArgs({
    args: [...argv],
    options: {
      size: many,
      shape: many,
      only: many,
      data: { ...text, default: '20' },
      turns: { ...text, default: '5' },
      peers: text,
      limit: { ...text, default: '120' },
      json: { ...text, default: 'node_modules/.cache/flow/bench/engine.json' },
    },
  })
  return {
    sizes: (values.size ?? ['10', '100', '1000', '10000']).map((size) => count('size', size)),
    shapes: (values.shape ?? shapes).map((shape) => oneOf('shape', shape, shapes)),
    only: (values.only ?? works).map((work) => oneOf('only', work, works)),
    dataBytes: count('data', values.data) * 2 ** 30,
    turns: count('turns', values.turns),
    limitSeconds: count('limit', values.limit),
    peers: values.peers,
    json: resolve(values.json),
  }
}

function count(flag: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new Error(`--${flag} takes a positive whole number, not \`${text}\``)
}

function oneOf<T extends string>(flag: string, text: string, choices: readonly T[]): T {
  const found = choices.find((choice) => choice === text)
  if (found === undefined) throw new Error(`--${flag} takes ${choices.join(', ')}, not \`${text}\``)
  return found
}
