/** @file The worker's code is compiled by the loader that compiles plugins, wherever the engine itself runs from. */
import path from 'node:path'
import { flowRoot } from '../flow-root.ts'
import type { Entry } from './bundle.ts'

export const workerEntry: Entry = {
  file: path.join(flowRoot, 'engine', 'stage', 'worker.ts'),
  root: flowRoot,
}
