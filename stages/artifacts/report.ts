/** @file `report`: a page for people. */
import { readFile, stat } from 'node:fs/promises'
import { type ArtifactFault, defineArtifact } from 'flow/artifacts'

async function* validate(path: string): AsyncGenerator<ArtifactFault> {
  const page = await readFile(path, 'utf8')
  if (!/^\s*<!doctype html>/i.test(page)) {
    yield { message: 'does not begin with `<!doctype html>`', line: 1 }
  }
}

export const report = defineArtifact({
  name: 'report',
  kind: 'file',
  description: 'One self-contained HTML page',
  extends: 'text',
  validate,
  describe: async (path) => `HTML, ${Math.ceil((await stat(path)).size / 1024)} kB`,
})
