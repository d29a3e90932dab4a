import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin } from 'vitest/config'

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url))

/** Text files become strings, as Flow's own loader makes them. */
const textModules: Plugin = {
  name: 'text-modules',
  transform: (code, id) => (id.endsWith('.md') ? `export default ${JSON.stringify(code)}` : undefined),
}

export default defineConfig({
  plugins: [textModules],
  resolve: {
    alias: {
      'flow/stage': here('./engine/stage/index.ts'),
      'flow/artifacts': here('./engine/artifacts/index.ts'),
      'flow/code': here('./engine/stage/user-code.ts'),
    },
  },
  test: {
    include: ['test/**/*.test.ts', 'test/**/*.test.tsx'],
    exclude: ['**/node_modules/**', 'test/fixtures/**'],
    // tfjs-core's gradients are ES modules without a package type: Node cannot load them, vite can.
    server: { deps: { inline: [/tfjs-core\/dist\/register_all_gradients/, /tfjs-core\/dist\/gradients/] } },
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
