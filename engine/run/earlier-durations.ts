/** @file How long each node of a workflow took when it was last executed, as the journals of earlier runs say. */
import type { NodeId } from '../identity.ts'
import type { Workflow } from '../workflow/workflow.ts'
import { latestRuns } from './journal.ts'

/** Runs of this workflow that are looked into: with `--only` and its like, the latest does not know all nodes. */
const runsRead = 5

export function earlierDurations(flowFolder: string, workflow: Workflow): ReadonlyMap<NodeId, number> {
  const durationsMs = new Map<NodeId, number>()
  let read = 0
  for (const run of latestRuns(flowFolder)) {
    // The run that is under way knows nothing yet.
    if (run.file !== workflow.file || run.finishedAt === undefined) continue
    for (const [name, node] of Object.entries(run.nodes)) {
      const durationMs = node.state === 'executed' ? node.durationMs : node.savedMs
      if (durationMs !== undefined && !durationsMs.has(name as NodeId))
        durationsMs.set(name as NodeId, durationMs)
    }
    read += 1
    if (read === runsRead || [...workflow.nodes.keys()].every((id) => durationsMs.has(id))) break
  }
  return durationsMs
}
