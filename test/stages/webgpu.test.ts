/** @file Stages on WebGPU, by a software Vulkan driver. No operator may fall back to the CPU: sessions forbid it. */
import { describe, expect, it } from 'vitest'
import generate from '../../stages/generate/index.ts'
import sft from '../../stages/sft/index.ts'
import { openSoftwareVulkan } from '../lm/tensor/software-vulkan.ts'
import { runStage, type StageRun, temporaryFile } from './run-stage.ts'
import { logOf, policy, quick } from './training-runs.ts'

const missing = openSoftwareVulkan()
if (missing !== undefined) console.warn(`stages on WebGPU are not tested: ${missing}`)

/** The largest relative difference of a column between two logs. */
function apart(one: StageRun, other: StageRun, column: string): number {
  const [expected, actual] = [one, other].map((run) => logOf(run).map((row) => row[column]!))
  expect(actual!.length).toBe(expected!.length)
  return Math.max(...expected!.map((value, index) => Math.abs(actual![index]! - value) / Math.abs(value)))
}

describe.skipIf(missing !== undefined)('on WebGPU', { timeout: 300_000 }, () => {
  it('sft learns what it learns on the CPU', async () => {
    const words = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight']
    const rows = words.map((word, index) => ({
      instruction: `Count to ${index + 1}`,
      output: `${word} after ${words.at(index - 1)}`,
    }))
    const inputs = { model: policy.model, data: { rows: temporaryFile('rows.jsonl', rows) } }
    const params = { ...quick, epochs: 2, lora: { r: 4, alpha: 8 } }
    const cpu = await runStage(sft, inputs, params)
    const webgpu = await runStage(sft, inputs, params, { device: 'webgpu' })

    expect(webgpu.logs).toContainEqual(expect.stringMatching(/^device webgpu: WebGPU on SwiftShader/))
    expect(logOf(cpu)).toHaveLength(4)
    for (const column of ['loss', 'grad_norm', 'entropy']) {
      expect([column, apart(cpu, webgpu, column) < 1e-4]).toEqual([column, true])
    }
  })

  it('generate gives the tokens that it gives on the CPU', async () => {
    const prompts = ['What is 2+3?', 'Name a colour.'].map((prompt, index) => ({ id: `p${index}`, prompt }))
    const inputs = { ...policy, prompts: temporaryFile('prompts.jsonl', prompts) }
    const params = { candidates: 1, max_new_tokens: 8, temperature: 0 }
    const tokens = (run: StageRun) =>
      run
        .rows('responses')
        .flatMap((row) => row.responses.map((response: { token_ids: number[] }) => response.token_ids))
    const expected = tokens(await runStage(generate, inputs, params))
    expect(expected.map((ids) => ids.length)).toEqual([8, 8])
    expect(tokens(await runStage(generate, inputs, params, { device: 'webgpu' }))).toEqual(expected)
  })
})
