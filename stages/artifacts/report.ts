/** @file `report`: a page for people. */
import { readFile, stat } from 'node:fs/promises'
import { type ArtifactFault, defineArtifact } from 'flow/artifacts'

async function* validate(path: string): AsyncGenerator<ArtifactFault> {
  const page = await readFile(path, 'utf8')
  if (!/^\s*<!doctype html>/i.test(page)) {
    yield { message: 'does not begin with `<!doctype html>`', line: 1 }
  }
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }

/** The page's own description of itself, if it has one. */
async function describe(path: string): Promise<string> {
  const size = `HTML, ${Math.ceil((await stat(path)).size / 1024)} kB`
  const content = /<meta name="description" content="([^"]{1,300})">/.exec(await readFile(path, 'utf8'))?.[1]
  const text = content?.replace(/&(amp|lt|gt|quot|#39);/g, (_, name: string) => entities[name] ?? '')
  return text === undefined ? size : `${text}; ${size}`
}

export const report = defineArtifact({
  name: 'report',
  kind: 'file',
  description: 'One self-contained HTML page',
  extends: 'text',
  validate,
  describe,
})
