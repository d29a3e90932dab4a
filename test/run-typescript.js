/** @file Compiles a TypeScript module with all that it imports from this project, and runs its `main(argv)`. */
import { mkdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))

/** `entry` is a file below `test/`; the exit code becomes this process's. */
export async function runTypeScript(entry, argv) {
  const folder = join(here, '../node_modules/.cache/flow', dirname(entry))
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, `${basename(entry, '.ts')}.mjs`)
  await build({
    entryPoints: [join(here, entry)],
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
}
