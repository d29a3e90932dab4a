/** @file `npm run bench:NAME`: runs test/bench/NAME.ts with the arguments that follow. */
import { runTypeScript } from '../run-typescript.js'

const [name, ...argv] = process.argv.slice(2)
await runTypeScript(`bench/${name}.ts`, argv)
