/** @file What was compiled since the device was started, for whoever wants to know where the waiting came from. */

export interface Compilation {
  /** Of the function, as `jit` was told. */
  readonly name: string
  /** `argument type[shape]`, of those that no earlier graph of the same name had; of the first graph, all. */
  readonly shapes: readonly string[]
  /** Whether an earlier graph has the same name: other shapes asked for one of their own. */
  readonly retrace: boolean
  readonly operators: number
  /** Running the function symbolically and encoding the graph. */
  readonly tracingMs: number
  /** Whether an equal graph had a session already, which is used for this one, too. */
  readonly reused: boolean
  /** ONNX Runtime's making a session of it; 0 where it was there. */
  readonly buildingMs: number
}

const done: Compilation[] = []
const shapesSeen = new Map<string, Set<string>>()

export function recordCompilation(
  name: string,
  shapes: readonly string[],
  costs: Pick<Compilation, 'operators' | 'reused' | 'tracingMs' | 'buildingMs'>,
): void {
  const seen = shapesSeen.get(name)
  const known = seen ?? new Set<string>()
  done.push({
    name,
    shapes: shapes.filter((each) => !known.has(each)),
    retrace: seen !== undefined,
    ...costs,
  })
  for (const each of shapes) known.add(each)
  shapesSeen.set(name, known)
}

/** What is compiled from here on is somebody else's. */
export function forgetCompilations(): void {
  done.length = 0
  shapesSeen.clear()
}

/** In order; those of kernels that ran by themselves are not among them. */
export function compilations(): readonly Compilation[] {
  return done
}

/** Graphs, and arguments of each, that are named one by one. */
const shown = 4

/** One line on all of them; undefined where nothing was compiled. */
export function describeCompilations(): string | undefined {
  if (done.length === 0) return undefined
  const total = (of: (each: Compilation) => number) => done.reduce((sum, each) => sum + of(each), 0)
  const tracing = total(({ tracingMs }) => tracingMs)
  const building = total(({ buildingMs }) => buildingMs)
  const times = `${seconds(tracing + building)} s (tracing ${seconds(tracing)}, building ${seconds(building)})`
  const reused = done.filter(({ reused }) => reused).length
  const again = done.filter(({ retrace, reused }) => retrace && !reused)
  const equal = reused === 0 ? '' : `, ${reused} of them equal to earlier ones and not built`
  const graphs = `compiled ${done.length} ${done.length === 1 ? 'graph' : 'graphs'} in ${times}${equal}`
  if (again.length === 0) return graphs
  const named = again.map(({ name, shapes }) => `${name} ${first(shapes).join(' ') || 'again'}`)
  return `${graphs}, ${again.length} of them for further shapes: ${first(named).join('; ')}`
}

function first(texts: readonly string[]): readonly string[] {
  return texts.length <= shown ? texts : [...texts.slice(0, shown), '...']
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(1)
}
