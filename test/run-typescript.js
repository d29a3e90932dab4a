/** @file Compiles a TypeScript module with all that it imports from this project, and runs its `main(argv)`. */
import { mkdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { bundledPackages, ownPlaces } from '../engine/cli/build-engine.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

/** `entry` is a file below `test/`; the exit code becomes this process's. */
export async function runTypeScript(entry, argv) {
  const folder = join(root, 'node_modules/.cache/flow', dirname(entry))
  mkdirSync(folder, { recursive: true })
  const outfile = join(folder, `${basename(entry, '.ts')}.mjs`)
  await build({
    entryPoints: [join(root, 'test', entry)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    alias: {
      'flow/stage': join(root, 'engine/stage/index.ts'),
      'flow/artifacts': join(root, 'engine/artifacts/index.ts'),
    },
    loader: { '.md': 'text' },
    define: { 'import.meta.url': '__moduleUrl' },
    plugins: [bundledPackages(root), ownPlaces],
    sourcemap: 'inline',
    logLevel: 'warning',
  })
  process.setSourceMapsEnabled(true)
  const { main } = await import(pathToFileURL(outfile).href)
  process.exitCode = await main(argv)
}
