/** @file The files of which a workflow is made: itself, the workflows that it uses, and its files of params. */
import type { SourceRange } from '../diagnostic.ts'
import type { Json } from '../identity.ts'
import { checkForm, withoutEmptySections } from './check-form.ts'
import type { BrokenSpan, Faults } from './faults.ts'
import { inWords } from './in-words.ts'
import { parseYaml } from './parse-yaml.ts'
import type { GivenParam } from './resolve-params.ts'
import { besides } from './stage-paths.ts'
import { suggestPath } from './suggest.ts'
import { type Spot, toJson, type YamlEntry, type YamlMap, type YamlValue } from './yaml-value.ts'

/** One workflow file, its form checked. */
export interface WorkflowSource {
  readonly file: string
  readonly root: YamlMap
  /** JSON pointers to values that have a fault of form in them. */
  readonly faulty: ReadonlySet<string>
}

/** Paths are taken from the project, or absolute. */
export interface FileAccess {
  /** Its text; undefined where there is none. */
  readonly read: (path: string) => string | undefined
  /** What lies in the same folder. */
  readonly namesBeside: (path: string) => readonly string[]
}

export class SourceFiles {
  /** Entries in which YAML's own syntax broke: what is read from them is guesswork. */
  readonly broken: BrokenSpan[] = []
  readonly #access: FileAccess
  readonly #faults: Faults
  readonly #workflows = new Map<string, WorkflowSource | undefined>()

  constructor(access: FileAccess, faults: Faults) {
    this.#access = access
    this.#faults = faults
  }

  /** `change` is applied before the form is checked. */
  main(file: string, source: string, change: (root: YamlMap) => YamlMap): WorkflowSource | undefined {
    return this.#workflow(file, source, change)
  }

  /** The workflow at a path that was written at `spot`; undefined where a fault was reported. */
  used(path: string, from: string, spot: Spot): WorkflowSource | undefined {
    const file = besides(from, path)
    if (this.#workflows.has(file)) return this.#workflows.get(file)
    const source = this.#readText(path, file, spot)
    const workflow = source === undefined ? undefined : this.#workflow(file, source, (root) => root)
    this.#workflows.set(file, workflow)
    return workflow
  }

  /** Values of params from the file at a path that was written at `spot`. */
  params(path: string, from: string, spot: Spot): ReadonlyMap<string, GivenParam> {
    const values = new Map<string, GivenParam>()
    const file = besides(from, path)
    const source = this.#readText(path, file, spot)
    if (source === undefined) return values
    const { root } = parseYaml(source, file, this.#faults)
    if (root === undefined) return values
    if (root.kind !== 'map') {
      const message = `a file of params must be a mapping, not ${inWords(toJson(root))}`
      this.#faults.add(root.spot, 'wrong-type', message, 'NAME: VALUE')
      return values
    }
    for (const { key, keySpot, value } of root.entries.values()) {
      const isSound = this.#refuseReferences(value)
      const given: Json = toJson(value)
      values.set(
        key,
        isSound ? { kind: 'value', value: given, keySpot, spot: value.spot } : { kind: 'unknown' },
      )
    }
    return values
  }

  #refuseReferences(value: YamlValue): boolean {
    if (value.kind === 'list') return value.items.map((item) => this.#refuseReferences(item)).every(Boolean)
    if (value.kind === 'map') return true
    for (const { spot } of value.templates) {
      const message = 'a reference cannot stand in a file of params'
      this.#faults.add(spot, 'misplaced-reference', message, 'write the value out')
    }
    return value.templates.length === 0
  }

  #readText(path: string, file: string, spot: Spot): string | undefined {
    if (file === '..' || file.startsWith('../')) {
      this.#faults.add(spot, 'bad-path', `\`${path}\` leads out of the project`)
      return undefined
    }
    const text = this.#access.read(file)
    if (text === undefined) {
      const near = suggestPath(file, this.#access.namesBeside)
      const hint =
        near === undefined
          ? 'the path is taken from the file in which it is written'
          : `did you mean \`${near}\`? The path is taken from the file in which it is written`
      this.#faults.add(spot, 'missing-file', `there is no file \`${file}\``, hint)
    }
    return text
  }

  #workflow(file: string, source: string, change: (root: YamlMap) => YamlMap): WorkflowSource | undefined {
    const before = this.#faults.count
    const { root: written, syntaxFaults } = parseYaml(source, file, this.#faults)
    if (written?.kind !== 'map') {
      if (this.#faults.count === before) this.#reportNoMapping(written, file)
      return undefined
    }
    this.broken.push(...syntaxFaults.flatMap((fault) => entriesAround(written, fault, file)))
    const root = change(withoutEmptySections(written))
    return { file, root, faulty: checkForm(root, this.#faults, { file, range: { start: 0, end: 0 } }) }
  }

  #reportNoMapping(written: YamlValue | undefined, file: string): void {
    const hint = 'a workflow starts with `nodes:`'
    if (written === undefined) {
      const start = { file, range: { start: 0, end: 0 } }
      this.#faults.add(start, 'empty-workflow', 'the workflow file is empty', hint)
      return
    }
    const message = `a workflow file must be a mapping, not ${inWords(toJson(written))}`
    this.#faults.add(written.spot, 'wrong-type', message, hint)
  }
}

/** The nodes, or else the top-level fields, around a fault of syntax. */
function entriesAround(root: YamlMap, fault: SourceRange, file: string): BrokenSpan[] {
  const around = (map: YamlMap, offset: number): YamlEntry | undefined =>
    [...map.entries.values()].findLast((entry) => (entry.keySpot.range?.start ?? 0) <= offset)
  // What stands before a fault may be cut short by it, what starts at it may not be what it seems.
  return [fault.start - 1, fault.end].map((offset) => {
    const top = around(root, offset)
    const isParent = top?.value.kind === 'map' && (top.key === 'nodes' || top.key === 'params')
    const entry = (isParent && around(top.value as YamlMap, offset)) || top
    return {
      file,
      start: entry?.keySpot.range?.start ?? 0,
      end: Math.max(entry?.value.spot.range?.end ?? 0, fault.end) + 1,
    }
  })
}
