/** @file `npm run test:reference`: runs test/reference/regenerate.ts with the arguments that follow. */
import { runTypeScript } from '../run-typescript.js'

await runTypeScript('reference/regenerate.ts', process.argv.slice(2))
