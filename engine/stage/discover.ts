/** @file Finds plugins by their place, without reading them. */
import fs from 'node:fs'
import path from 'node:path'
import { flowRoot } from '../flow-root.ts'

export interface PluginFile {
  /** Absolute path. */
  readonly file: string
  /** Absolute path of the project's folder or of Flow's own. */
  readonly root: string
  readonly origin: 'project' | 'flow'
}

export interface StageFile extends PluginFile {
  readonly folder: string
  /** What `uses` calls it, where that is its folder's path: `./experiments/my-stage`. */
  readonly path?: string
}

export interface PluginFiles {
  /** `stages/<name>/index.ts`, with the folder's name. */
  readonly stages: readonly StageFile[]
  /** `stages/artifacts/*.ts`. */
  readonly artifacts: readonly PluginFile[]
  /** `stages/<name>/command.ts`, with the folder's name. */
  readonly commands: readonly (PluginFile & { readonly folder: string })[]
}

/**
 * Flow's own come first; a project that is Flow itself is looked at once.
 * @param paths folders of further stages, relative to the project: `./experiments/my-stage`
 */
export function discoverPlugins(project: string, paths: readonly string[] = []): PluginFiles {
  const projectRoot = fs.realpathSync(project)
  const places = [{ root: flowRoot, origin: 'flow' as const }]
  const all =
    projectRoot === flowRoot ? places : [...places, { root: projectRoot, origin: 'project' as const }]
  const found = all.map(({ root, origin }) => discoverIn(root, origin))
  return {
    stages: [
      ...found.flatMap(({ stages }) => stages),
      ...paths.flatMap((path) => stageAt(projectRoot, path)),
    ],
    artifacts: found.flatMap(({ artifacts }) => artifacts),
    commands: found.flatMap(({ commands }) => commands),
  }
}

function stageAt(root: string, at: string): StageFile[] {
  const folder = path.join(root, at)
  const file = path.join(folder, 'index.ts')
  if (!fs.existsSync(file)) return []
  return [{ file, root, origin: 'project', folder: path.basename(folder), path: at }]
}

function discoverIn(root: string, origin: 'project' | 'flow'): PluginFiles {
  const stagesFolder = path.join(root, 'stages')
  const stages: StageFile[] = []
  const commands: (PluginFile & { folder: string })[] = []
  for (const folder of entriesOf(stagesFolder)) {
    if (folder === 'artifacts') continue
    const place = path.join(stagesFolder, folder) + path.sep
    // Two looks cost less than a listing, of which there would be one for each stage.
    for (const [name, found] of [
      ['index.ts', stages],
      ['command.ts', commands],
    ] as const) {
      const file = place + name
      if (fs.existsSync(file)) found.push({ file, root, origin, folder })
    }
  }
  const artifactsFolder = path.join(stagesFolder, 'artifacts')
  const artifacts = entriesOf(artifactsFolder)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts') && !name.endsWith('.d.ts'))
    .map((name) => ({ file: path.join(artifactsFolder, name), root, origin }))
  return { stages, artifacts, commands }
}

/** Names in byte order; none for what is not a folder. */
function entriesOf(folder: string): string[] {
  if (!fs.existsSync(folder)) return []
  try {
    return fs.readdirSync(folder).sort()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}
