/** @file `npm run bench -- self-reward`: time and memory of the main job from nothing, all nodes of it executed. */
import { compare } from './compare/compare.ts'
import type { Work } from './compare/work.ts'

const chain: Work = {
  name: 'chain',
  title: 'workflows/self-reward.yaml in a fresh project',
  prepare: ({ model }) => ({ workflow: 'workflows/self-reward.yaml', args: ['--param', `model=${model}`] }),
  contestants: () => [{ name: 'Flow', interpreter: 'node', program: 'works/workflow' }],
}

export const main = (argv: string[]) => compare({ name: 'self-reward', works: [chain], sizes: {} }, argv)
