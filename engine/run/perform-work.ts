/**
 * @file The work at a key: done here, in a slot, or waited for where another process does it. Who waits holds no slot,
 * and looks again when the other has ended, be it with a result, without one, or by dying.
 */
import { demandOf } from './demand.ts'
import { type ExecutedNode, type Execution, executeNode, madeMeanwhile } from './execute-node.ts'
import type { RunContext } from './run-workflow.ts'

export type PerformedWork = Exclude<ExecutedNode, { readonly heldElsewhere: true }>

/** Rejects as soon as the run is interrupted while it waits. */
export async function performWork(
  context: RunContext,
  execution: Omit<Execution, 'gpus'>,
): Promise<PerformedWork> {
  const { store, slots, signal, emit } = context
  const { node, decision } = execution
  const demand = demandOf(node, context.capacity, context.device)
  const priority = context.priorities().get(node.id) ?? 0
  for (;;) {
    const executed = await slots.hold(demand, priority, async (gpus): Promise<ExecutedNode> => {
      if (signal.aborted) return { interrupted: true }
      return await executeNode(context, { ...execution, gpus })
    })
    if (!('heldElsewhere' in executed)) return executed
    const { key } = decision
    await store.whenFree(key, {
      signal,
      onHolder: (holder) => emit({ type: 'node-waiting', node: node.id, key, holder }),
    })
    // Before it queues for a slot that it most likely does not need.
    const made = await madeMeanwhile(store, decision)
    if (made !== undefined) return made
  }
}
