/** @file A stage that tells in which process it ran, for tests of the worker pool. */

/**
 * @param body What it does; leaves `told`, an object.
 * @param head What stands before the stage.
 */
export const probeStage = (body: string, head = '') => `
import { writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'
${head}
export default defineStage({
  name: 'probe',
  description: 'a stage of a test',
  inputs: { base: 'text' },
  outputs: { out: 'text' },
  params: Type.Object({}),
  keeps: ['base'],
  async run(context) {
    ${body}
    writeFileSync(context.outputs.out, JSON.stringify({ pid: process.pid, ...told }))
  },
})`
