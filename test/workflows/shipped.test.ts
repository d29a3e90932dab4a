/** @file Every workflow that comes with Flow loads without a fault against the stages that come with Flow. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadCatalog } from '../../engine/stage/load-catalog.ts'
import { loadWorkflow } from '../../engine/workflow/load.ts'
import { stagePathsIn } from '../../engine/workflow/stage-paths.ts'

const root = join(import.meta.dirname, '../..')
const files = readdirSync(join(root, 'workflows')).filter((name) => name.endsWith('.yaml'))

describe.each(files)('workflows/%s', (name) => {
  const file = `workflows/${name}`
  const source = readFileSync(join(root, file), 'utf8')

  it('fits the installed stages', async () => {
    const { catalog, diagnostics } = await loadCatalog(root, stagePathsIn(source))
    expect(diagnostics).toEqual([])
    const load = (params: Record<string, string>) =>
      loadWorkflow({
        ...{ file, source, catalog, params, fileExists: () => true },
        readFile: (path) => readFileSync(join(root, path), 'utf8'),
      })
    // Params without a default are asked for by name, and are the only fault.
    const asked = load({}).diagnostics.filter(({ code }) => code === 'missing-param')
    const names = asked.map(({ message }) => /^param `(\w+)` has no value$/.exec(message)![1]!)
    const loaded = load(Object.fromEntries(names.map((name) => [name, 'given'])))
    expect(loaded.diagnostics).toEqual([])
    expect(loaded.workflow?.nodes.size).toBeGreaterThan(0)
  })

  it('opens with what it does, how to run it and how long it takes', () => {
    const opening = source.split('\nname:')[0]!
    expect(opening).toMatch(/^# /)
    expect(opening).toContain(`npx flow run ${file}`)
    expect(opening).toMatch(/\b(takes?|minutes?|hours?)\b/i)
  })
})
