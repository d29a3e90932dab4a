/** @file `flow doctor`: what this machine can compute on, and what is missing for the rest. */
import { defineCommand } from 'flow/stage'

export default defineCommand({
  name: 'doctor',
  description: 'Say which devices can be used, and what would make the others usable',
  options: { json: { type: 'boolean', description: 'Print one JSON object' } },
  async run({ project, options }) {
    const { examine } = await import('./examine.ts')
    const { page } = await import('./page.ts')
    const findings = await examine(project)
    process.stdout.write(options.json ? `${JSON.stringify(findings, null, 2)}\n` : page(findings))
    return findings.ready ? 0 : 1
  },
})
