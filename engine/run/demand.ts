/** @file What one node holds while it runs, and nodes that ask for more than there is. */
import type { Diagnostic } from '../diagnostic.ts'
import { planWorkflow } from '../plan/plan.ts'
import type { PreparedRun, RunRequest } from '../plan/prepare.ts'
import { countText, sizeText } from '../terminal/quantities.ts'
import type { WorkflowNode } from '../workflow/workflow.ts'
import type { Capacity } from './capacity.ts'

export interface Demand {
  /** 1, or 0 for a light stage. */
  readonly jobs: number
  readonly gpus: number
  readonly memoryBytes: number
  /** Name -> how many, never 0. */
  readonly slots: Readonly<Record<string, number>>
}

/** @param device as asked for by `--device`: with `cpu`, nobody holds a GPU */
export function demandOf({ stage, policy }: WorkflowNode, capacity: Capacity, device: string): Demand {
  const { gpus, memoryBytes = 0, slots = {} } = policy.resources ?? {}
  const usable = stage.gpu ? Math.min(1, capacity.gpus.length) : 0
  return {
    jobs: stage.light ? 0 : 1,
    gpus: device === 'cpu' ? 0 : (gpus ?? usable),
    memoryBytes,
    slots: Object.fromEntries(Object.entries(slots).filter(([, count]) => count > 0)),
  }
}

/**
 * Faults of nodes that would have to run and could never start: such a run would not end. What is only reused may ask
 * for what it likes.
 */
export async function impossibleDemands(
  request: RunRequest,
  prepared: PreparedRun,
  capacity: Capacity,
  device: string,
): Promise<Diagnostic[]> {
  const faults = new Map<string, Diagnostic[]>()
  for (const node of request.workflow.nodes.values()) {
    // What says nothing of resources asks for no more than there is.
    if (node.policy.resources === undefined || node.skipped !== undefined) continue
    if (!prepared.selected.has(node.id)) continue
    const found = excesses(demandOf(node, capacity, device), capacity).map(
      ({ what, hint }): Diagnostic => ({
        code: 'impossible-resources',
        severity: 'error',
        message: `\`${node.id}\` needs ${what}`,
        hint,
        file: node.file,
        range: node.range,
      }),
    )
    if (found.length > 0) faults.set(node.id, found)
  }
  if (faults.size === 0) return []
  const { nodes } = await planWorkflow(request, prepared)
  return nodes.flatMap(({ node, decision }) => (decision === 'reuse' ? [] : (faults.get(node) ?? [])))
}

function excesses(demand: Demand, capacity: Capacity): { readonly what: string; readonly hint: string }[] {
  const found: { what: string; hint: string }[] = []
  if (demand.gpus > capacity.gpus.length) {
    found.push({
      what: `${countText(demand.gpus, 'GPU')}, and there ${beCount(capacity.gpus.length)} that it may use`,
      hint: 'lower `resources.gpu` of the node, or run with --device cpu, which takes none',
    })
  }
  if (demand.memoryBytes > capacity.memoryBytes) {
    found.push({
      what: `${sizeText(demand.memoryBytes)} of memory, and this machine has ${sizeText(capacity.memoryBytes)}`,
      hint: 'lower `resources.memory` of the node',
    })
  }
  for (const [name, count] of Object.entries(demand.slots)) {
    const there = capacity.slots[name] ?? 0
    if (count <= there) continue
    found.push({
      what: `${countText(count, 'slot')} \`${name}\`, and there ${beCount(there)}`,
      hint: `raise \`slots\` of the workflow, or run with --slots ${name}=${count}`,
    })
  }
  return found
}

function beCount(count: number): string {
  if (count === 0) return 'is none'
  return count === 1 ? 'is 1' : `are ${count}`
}
