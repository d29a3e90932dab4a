/**
 * @file `npm run test:soak`: what the tests sample, at length.
 *
 *     --rounds N   kills of engine, workers or both (default 200)
 *     --faults N   calls attacked in each of two runs, a seeded sample; `all` for every call in every way (default)
 *     --seed N     of both
 *
 * and every file of a store harmed in every way.
 */
import { spawn } from 'node:child_process'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '200' },
    faults: { type: 'string', default: 'all' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
})
console.log(`seed ${values.seed}: ${values.rounds} kills, ${values.faults} faults a run`)
const tests = spawn(
  'npx',
  [
    'vitest',
    'run',
    ...['kills', 'commit-faults', 'damaged-store'].map((name) => `test/faults/${name}.test.ts`),
  ],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      FLOW_SOAK_ROUNDS: values.rounds,
      FLOW_SOAK_FAULTS: values.faults === 'all' ? 'Infinity' : values.faults,
      FLOW_SOAK_SEED: values.seed,
    },
  },
)
tests.on('close', (code) => {
  process.exitCode = code ?? 1
})
