/** @file The findings as a person reads them. */
import type { Findings } from './examine.ts'

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(bytes < 10e9 ? 1 : 0)} GB`

/** Columns as wide as their widest cell. */
function columns(rows: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]!.length))
  const [first, second] = [width(0), width(1)]
  return rows.map(([a, b, c]) => `${a!.padEnd(first)}  ${b!.padEnd(second)}  ${c}`.trimEnd()).join('\n')
}

export function page(findings: Findings): string {
  const { node, platform, processor, memory, project, devices, auto, faults, ready } = findings
  const machine = columns([
    ['Node.js', node, platform],
    ['processor', `${processor.threads} threads`, processor.model],
    ['memory', gigabytes(memory.totalBytes), `${gigabytes(memory.freeBytes)} free`],
    ['project', `${gigabytes(project.freeBytes)} free`, project.path],
  ])
  const table = columns([
    ['device', 'usable', ''],
    ...devices.flatMap(({ name, usable, about, remedy }) => [
      [name, usable ? 'yes' : 'no', about],
      ...(remedy === undefined ? [] : [['', '', `-> ${remedy}`]]),
    ]),
  ])
  const verdict = ready ? `Workflows can run; --device auto takes ${auto}.` : 'Workflows cannot run here.'
  const notes = faults.map((fault) => `${fault}\n`).join('')
  return `${machine}\n\n${table}\n\n${notes}${verdict}\n`
}
