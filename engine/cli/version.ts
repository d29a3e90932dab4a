/** @file Flow's own version. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { flowRoot } from '../flow-root.ts'

export function version(): string {
  const { version } = JSON.parse(readFileSync(join(flowRoot, 'package.json'), 'utf8')) as { version: string }
  return version
}
