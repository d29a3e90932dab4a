/**
 * @file `npm run test:reference -- --python PYTHON`: runs every `make_*.py` here and compares what it writes with the
 * fixtures that are committed.
 *
 * The scripts write to a temporary folder that starts as a copy of the committed fixtures: each finds the checkpoints of
 * the others, in whatever order they run, and a difference in one does not spread. What no script has written anew is
 * a fault, too. A script that takes an argument (`make_smollm2.py FOLDER`) runs where it is given (`--smollm2 FOLDER`).
 */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve, sep } from 'node:path'
import { parseArgs } from 'node:util'
import { compareFixture, type Tolerance } from './compare-fixture.ts'

/** The folder from which `npm run` starts. */
const root = process.cwd()
const scriptsFolder = join(root, 'test/reference')
const committedFolder = join(root, 'test/fixtures/reference')

/** What another processor's kernels change in float32 stays below a third of this; a wrong constant shows. */
const DEFAULT_TOLERANCE: Tolerance = { absolute: 2e-6, relative: 2e-5 }

/** By the fixture's path; the first that matches counts. */
const TOLERANCES: readonly (readonly [RegExp, Tolerance])[] = [
  // Sums of products of either sign: their rounding does not shrink with the result. The tests allow 1e-4.
  [/(^|\/)logits[^/]*\.json$/, { absolute: 2e-5, relative: 2e-5 }],
]

interface Script {
  /** `models` for `make_models.py`. */
  readonly name: string
  readonly source: string
  readonly takesArgument: boolean
}

const USAGE = `npm run test:reference -- --python PYTHON [--only NAME]... [--NAME ARGUMENT]...

  --python PYTHON   an interpreter with the packages of test/reference/requirements.txt
  --only NAME       runs make_NAME.py alone, and compares what it writes; may be repeated
  --NAME ARGUMENT   what make_NAME.py takes, where it takes something: --smollm2 FOLDER
`

export async function main(argv: string[]): Promise<number> {
  const scripts = findScripts()
  let values: Record<string, string | boolean | string[] | undefined>
  try {
    values = parseArgs({
      args: argv,
      options: {
        python: { type: 'string' },
        only: { type: 'string', multiple: true, default: [] },
        ...Object.fromEntries(
          scripts.filter((script) => script.takesArgument).map(({ name }) => [name, { type: 'string' }]),
        ),
      },
    }).values
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`)
    return 2
  }
  const only = values.only as string[]
  const stranger = only.find((name) => !scripts.some((script) => script.name === name))
  if (stranger !== undefined) {
    console.error(`there is no make_${stranger}.py; there are ${scripts.map(({ name }) => name).join(', ')}`)
    return 2
  }
  if (typeof values.python !== 'string') {
    console.error(`${USAGE}\n${HOW_TO_MAKE_ONE}`)
    return 2
  }
  const python = values.python.includes(sep) ? resolve(values.python) : values.python
  const faults = interpreterFaults(python)
  if (faults.length > 0) {
    console.error(
      `${python} will not do:\n${faults.map((fault) => `  ${fault}\n`).join('')}\n${HOW_TO_MAKE_ONE}`,
    )
    return 2
  }

  const chosen = scripts.filter(({ name }) => only.length === 0 || only.includes(name))
  const folder = mkdtempSync(join(tmpdir(), 'flow-reference-'))
  cpSync(committedFolder, folder, { recursive: true })
  const stampsBefore = stampsOf(folder)
  let failed = 0
  const leftOut: Script[] = []
  for (const script of chosen) {
    const argument = values[script.name] as string | undefined
    if (script.takesArgument && argument === undefined) leftOut.push(script)
    else if (!(await runScript(python, script, argument, folder))) failed++
  }
  for (const { name } of leftOut) {
    console.log(`left out  make_${name}.py takes an argument: give it with --${name}`)
  }
  const differing = compareAll(folder, stampsBefore, leftOut, only.length > 0 ? 'written' : 'all')
  if (failed + differing === 0) {
    rmSync(folder, { recursive: true })
    return 0
  }
  if (failed > 0) console.log(`${failed} of ${chosen.length} scripts failed`)
  console.log(`what they wrote is kept in ${folder}`)
  return 1
}

/** `make_models.py` first, since its checkpoints are what most are about; then by name. */
function findScripts(): Script[] {
  return readdirSync(scriptsFolder)
    .flatMap((file) => /^make_(\w+)\.py$/.exec(file)?.[1] ?? [])
    .sort((a, b) => Number(b === 'models') - Number(a === 'models') || (a < b ? -1 : 1))
    .map((name) => {
      const source = readFileSync(join(scriptsFolder, `make_${name}.py`), 'utf8')
      return { name, source, takesArgument: source.includes('sys.argv') }
    })
}

const HOW_TO_MAKE_ONE = `To make one (Python 3.11 or later; a CPU build of torch will do):
  python3 -m venv VENV && VENV/bin/pip install -r test/reference/requirements.txt
  npm run test:reference -- --python VENV/bin/python`

function interpreterFaults(python: string): string[] {
  const pinned = readFileSync(join(scriptsFolder, 'requirements.txt'), 'utf8')
    .split('\n')
    .flatMap((line) => {
      const match = /^([\w.-]+)==(\S+)/.exec(line)
      return match ? [{ name: match[1]!, version: match[2]! }] : []
    })
  const code =
    'import importlib.metadata as m, json, sys\n' +
    'def version(name):\n' +
    '    try: return m.version(name)\n' +
    '    except m.PackageNotFoundError: return None\n' +
    'print(json.dumps([version(name) for name in sys.argv[1:]]))'
  let output: string
  try {
    output = execFileSync(python, ['-c', code, ...pinned.map(({ name }) => name)], { encoding: 'utf8' })
  } catch (error) {
    return [(error as Error).message.split('\n')[0]!]
  }
  const installed = JSON.parse(output) as (string | null)[]
  return pinned.flatMap(({ name, version }, index) => {
    const found = installed[index] ?? null
    if (found === null) return [`${name} ${version} is missing`]
    // A build's own suffix (`+cpu`) is not part of the version.
    return found.split('+')[0] === version ? [] : [`${name} is ${found}, not ${version}`]
  })
}

async function runScript(
  python: string,
  { name }: Script,
  argument: string | undefined,
  folder: string,
): Promise<boolean> {
  const start = performance.now()
  const child = spawn(
    python,
    [join(scriptsFolder, `make_${name}.py`), ...(argument === undefined ? [] : [argument])],
    {
      env: { ...process.env, FLOW_REFERENCE_OUT: folder, PYTHONDONTWRITEBYTECODE: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output = (output + text).slice(-4000)
    })
  }
  const [code] = (await once(child, 'close')) as [number | null]
  const seconds = Math.round((performance.now() - start) / 1000)
  console.log(`${code === 0 ? 'ran      ' : 'failed   '} make_${name}.py (${seconds} s)`)
  if (code !== 0) console.log(output.replace(/^/gm, '          '))
  return code === 0
}

/** By path below `folder`, something that changes whenever the file is written. */
function stampsOf(folder: string): Map<string, string> {
  const stamps = new Map<string, string>()
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    const file = join(entry.parentPath, entry.name)
    const { ino, ctimeNs } = statSync(file, { bigint: true })
    stamps.set(relative(folder, file).replaceAll(sep, '/'), `${ino} ${ctimeNs}`)
  }
  return stamps
}

/** Prints a line for each fixture; the number of those that differ. */
function compareAll(
  folder: string,
  stampsBefore: ReadonlyMap<string, string>,
  leftOut: readonly Script[],
  scope: 'all' | 'written',
): number {
  const stamps = stampsOf(folder)
  let differing = 0
  const fault = (path: string, reason: string) => {
    differing++
    console.log(`differs   ${path}: ${reason}`)
  }
  for (const path of [...new Set([...stampsBefore.keys(), ...stamps.keys()])].sort()) {
    const isCommitted = stampsBefore.has(path)
    if (!stamps.has(path)) {
      fault(path, 'is committed, and the scripts delete it')
    } else if (!isCommitted) {
      fault(path, 'is not committed')
    } else if (stamps.get(path) === stampsBefore.get(path)) {
      if (scope === 'written') continue
      if (leftOut.some(({ source }) => source.includes(path))) console.log(`left out  ${path}`)
      else fault(path, 'is committed, and no script writes it')
    } else {
      const tolerance = TOLERANCES.find(([pattern]) => pattern.test(path))?.[1] ?? DEFAULT_TOLERANCE
      const { faults, firstFault, floats, worstShare } = compareFixture(
        join(folder, path),
        join(committedFolder, path),
        tolerance,
      )
      if (firstFault !== undefined)
        fault(path, `${firstFault}${faults > 1 ? ` (and ${faults - 1} more)` : ''}`)
      else console.log(`same      ${path}${floats > 0 ? within(floats, worstShare) : ''}`)
    }
  }
  console.log(differing === 0 ? 'all the same' : `${differing} differ`)
  return differing
}

function within(floats: number, worstShare: number): string {
  if (worstShare === 0) return `: ${floats} floats, to the last digit`
  return `: ${floats} floats, at most ${(100 * worstShare).toPrecision(2)}% of the tolerance apart`
}
