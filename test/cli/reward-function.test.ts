/** @file A reward function as a file of the user's: its faults have its own lines, and its content is in the key. */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { referencePath } from '../lm/reference.ts'
import { TestProject } from './test-project.ts'

const reward = (body: string) => `interface Item { completion: string }

export default function score(batch: Item[]): number[] {
  return batch.map(({ completion }) => ${body})
}
`

test('a fault in it is shown with its file and line; a change of it runs the stage again', async () => {
  const project = new TestProject({
    'w.yaml': `nodes:
  grpo:
    uses: grpo
    in: { model: model, adapter: adapter, prompts: prompts.jsonl, reward: { brevity: brevity.ts } }
    with: { rollouts: online, batch_size: 4, num_generations: 4, max_steps: 1, max_completion_length: 4, warmup: 0 }
`,
    'prompts.jsonl': '{"prompt": "Hi"}\n',
    'brevity.ts': reward('(completion as unknown as { words: string[] }).words.length'),
  })
  cpSync(referencePath('models/qwen2'), join(project.folder, 'model'), { recursive: true })
  cpSync(referencePath('adapters/qwen2'), join(project.folder, 'adapter'), { recursive: true })
  const faulty = await project.run('w.yaml')
  expect(faulty.code).toBe(1)
  expect(faulty.events).toContainEqual(
    expect.objectContaining({
      type: 'node-failed',
      node: 'grpo',
      failure: {
        code: 'code-failed',
        message: "TypeError: Cannot read properties of undefined (reading 'length')",
        file: expect.stringMatching(/brevity\.ts$/),
        line: 4,
      },
    }),
  )

  project.write('brevity.ts', reward('-new Set(completion).size'))
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: ['grpo'] })
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, reused: ['grpo'] })
  project.write('brevity.ts', reward('new Set(completion).size'))
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: ['grpo'] })
})
