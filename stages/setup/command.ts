/** @file `flow setup`: fetches what a device needs beside the installation, when it is asked for. */
import { defineCommand } from 'flow/stage'

export default defineCommand({
  name: 'setup',
  description: 'Fetch what a device needs: flow setup tensorflow [--gpu], flow setup cuda',
  options: { gpu: { type: 'boolean', description: "TensorFlow's library for NVIDIA's GPUs, with CUDA" } },
  async run(context) {
    const { setUp } = await import('./setup.ts')
    await setUp(context)
    return 0
  },
})
