/** @file `npm run bench -- NAME`: runs test/bench/NAME.ts with the arguments that follow. */
import { readdirSync } from 'node:fs'
import { runTypeScript } from '../run-typescript.js'

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'flow.ts')
  .map((file) => file.slice(0, -'.ts'.length))

const [name = '', ...argv] = process.argv.slice(2)
// A comparison runs the programs of `works/` through this file, too.
if (names.includes(name) || name.startsWith('works/')) {
  await runTypeScript(`bench/${name}.ts`, argv)
} else {
  console.error(`npm run bench -- ${names.join(' | ')} [options]   (test/bench/README.md)`)
  process.exitCode = 2
}
