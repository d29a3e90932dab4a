/**
 * @file Splits the engine's bundle in two: `main.cjs` holds what a run needs that has nothing to do, `rest.cjs` what is
 * imported on demand beyond that. To load both takes longer than to find a small workflow up to date. They share each
 * module that is in `main.cjs`.
 */
import path from 'node:path'

/** What every run loads, with all that these import statically. */
const entries = ['engine/cli/main.ts', 'engine/cli/run.ts', 'engine/cli/plan.ts']

/**
 * @param {import('esbuild').Metafile} metafile Of a bundle of the whole engine.
 * @returns The parts of both files, relative to Flow's folder: `rest` are those that are imported on demand.
 */
export function partsOf({ inputs }) {
  const main = new Set()
  const add = (file) => {
    if (main.has(file)) return
    main.add(file)
    for (const { path: imported, kind } of importsOf(file)) if (kind !== 'dynamic-import') add(imported)
  }
  const importsOf = (file) => inputs[file].imports.filter(({ path: imported }) => imported in inputs)
  for (const file of entries) if (file in inputs) add(file)
  const onDemand = Object.keys(inputs).flatMap((file) =>
    importsOf(file).flatMap(({ path: imported, kind }) => (kind === 'dynamic-import' ? imported : [])),
  )
  return { main, rest: new Set(onDemand.filter((file) => !main.has(file))) }
}

/** The code of `main.cjs`: beside the command line, each of its modules for whoever asks for it. */
export function mainCode({ main }) {
  return `export { main } from './engine/cli/main.ts'\nexport const modules = ${thunks(main)}`
}

export function restCode({ rest }) {
  return `export const modules = ${thunks(rest)}`
}

function thunks(files) {
  const entries = [...files].map((file) => {
    const name = JSON.stringify(file)
    return `${name}: () => require(${JSON.stringify(`./${file}`)})`
  })
  return `{ ${entries.join(', ')} }`
}

/** In `main.cjs`: what is imported on demand is asked of `rest.cjs`. */
export function leaveRest(root, { rest }) {
  return {
    name: 'leave-rest',
    setup(build) {
      build.onResolve({ filter: /^\..*\.ts$/ }, (args) => {
        if (args.kind !== 'dynamic-import') return undefined
        const file = path.relative(root, path.join(args.resolveDir, args.path))
        return rest.has(file) ? { path: `./rest.cjs#${file}`, external: true } : undefined
      })
    },
  }
}

/** In `rest.cjs`: what is in `main.cjs` is taken from there. */
export function takeFromMain(root, { main }) {
  return {
    name: 'take-from-main',
    setup(build) {
      build.onResolve({ filter: /^\..*\.ts$/ }, (args) => {
        const file = path.relative(root, path.join(args.resolveDir, args.path))
        return main.has(file) ? { path: file, namespace: 'main' } : undefined
      })
      build.onResolve({ filter: /^\.\/main\.cjs$/, namespace: 'main' }, (args) => ({
        path: args.path,
        external: true,
      }))
      build.onLoad({ filter: /.*/, namespace: 'main' }, ({ path: file }) => ({
        contents: `module.exports = require('./main.cjs').modules[${JSON.stringify(file)}]()`,
      }))
    },
  }
}
