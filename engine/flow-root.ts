/** @file Where Flow itself is installed: the folder of its `package.json`. */
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const flowRoot: string = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
