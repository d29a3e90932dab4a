/** @file `npm run bench:NAME`: compiles test/bench/NAME.ts and runs it with the arguments that follow. */
import { mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const [name, ...argv] = process.argv.slice(2)
const here = dirname(fileURLToPath(import.meta.url))
const outfile = join(here, '../../node_modules/.cache/flow/bench', `${name}.mjs`)
mkdirSync(dirname(outfile), { recursive: true })
await build({
  entryPoints: [join(here, `${name}.ts`)],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  sourcemap: 'inline',
  logLevel: 'warning',
})
process.setSourceMapsEnabled(true)
const { main } = await import(pathToFileURL(outfile).href)
process.exitCode = await main(argv)
