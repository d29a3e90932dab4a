/** @file The life of one node in a run: its inputs checked, its key computed, reused or executed, materialised. */
import type { NodeOutput, SkipCause } from '../events/event.ts'
import type { NodeId } from '../identity.ts'
import { type Decision, decide } from '../plan/decide.ts'
import { rememberOwnValues } from '../plan/differences.ts'
import {
  hashFile,
  hashInputs,
  inputSources,
  type NodeOutputs,
  ownPath,
  takesOwnValues,
} from '../plan/inputs.ts'
import { StageFailure } from '../stage/failure.ts'
import { ProgressThrottle } from '../stage/progress-throttle.ts'
import type { ResourceUse } from '../stage/resource-use.ts'
import type { FoundRecord } from '../store/store.ts'
import type { WorkflowNode } from '../workflow/workflow.ts'
import { checkInput } from './check-values.ts'
import { failureDetails, type NodeFailure } from './failure-details.ts'
import type { PerformedWork } from './perform-work.ts'
import type { NodeResult, RunContext } from './run-workflow.ts'

type Upstream = ReadonlyMap<NodeId, NodeOutputs> | { readonly because: SkipCause }

/** Emits all events of the node but `node-skipped`. */
export async function runNode(
  context: RunContext,
  node: WorkflowNode,
  waitForUpstream: () => Promise<Upstream>,
): Promise<NodeResult> {
  const began = performance.now()
  try {
    if (takesOwnValues(node)) {
      await fetchRemotes(context, node)
      // A user's bad file is told at once, not after hours of what comes before it.
      await checkOwnFiles(context, node)
    }
    const upstream = await waitForUpstream()
    if ('because' in upstream) return { state: 'skipped', because: upstream.because }
    if (context.signal.aborted) return { state: 'skipped', because: 'interrupted' }
    return await reuseOrExecute(context, node, upstream)
  } catch (error) {
    if (context.signal.aborted) return { state: 'skipped', because: 'interrupted' }
    return failed(context, node, performance.now() - began, failureDetails(error))
  }
}

async function reuseOrExecute(
  context: RunContext,
  node: WorkflowNode,
  upstream: ReadonlyMap<NodeId, NodeOutputs>,
): Promise<NodeResult> {
  const { project, store, workflow, refresh, remotes } = context
  if (takesOwnValues(node)) await checkOwnFiles(context, node)
  const inputs = await hashInputs({ project, node, store, outputs: upstream, remotes })
  const throttle = new ProgressThrottle((progress) =>
    context.emit({ type: 'node-progress', node: node.id, ...progress }),
  )
  const decision = await decide(
    { workflow, node, inputs, store, remotes, refresh },
    { signal: context.signal, progress: (progress) => throttle.push(progress) },
  )
  throttle.flush()
  // Asked without a pause after it was decided, so that no two nodes can both find the key free.
  const same = context.work.get(decision.key)
  if (same !== undefined) return await shareWork(context, node, decision, same)
  if (decision.decision === 'reuse') {
    const { record, reason } = decision
    return await finish(context, node, decision, {
      outcome: 'reused',
      outputs: record.outputs,
      reason,
      savedMs: record.durationMs,
    })
  }
  if (context.signal.aborted) return { state: 'skipped', because: 'interrupted' }
  return await execute(context, node, decision, upstream)
}

async function execute(
  context: RunContext,
  node: WorkflowNode,
  decision: Decision,
  upstream: ReadonlyMap<NodeId, NodeOutputs>,
): Promise<NodeResult> {
  const wantedBy = { node: node.id, emit: context.emit }
  const work = context.underWay.take(decision.key, wantedBy, async (signal, emit) => {
    // What only an execution needs is not loaded where all is reused.
    const { attemptWork } = await import('./attempts.ts')
    return await attemptWork({ ...context, signal, emit }, { node, decision, upstream })
  })
  context.work.set(decision.key, { node: node.id, result: work.result })
  const executed = await work.result
  // Another run has taken this one's place, and does with the result what is to be done.
  if (!work.isWantedBy(wantedBy)) return { state: 'skipped', because: 'interrupted' }
  if ('interrupted' in executed) return { state: 'skipped', because: 'interrupted' }
  if ('failure' in executed) {
    return failed(context, node, executed.durationMs, executed.failure, executed)
  }
  if ('madeMeanwhile' in executed) {
    const reason = 'made by another run meanwhile'
    return await finish(context, node, decision, { outcome: 'reused', outputs: executed.outputs, reason })
  }
  const { outputs, descriptions, durationMs, resourceUse, notKept } = executed
  if (notKept !== undefined) context.emit({ type: 'warning', message: `${node.id}: ${notKept}` })
  return await finish(context, node, decision, {
    outcome: 'executed',
    outputs,
    descriptions,
    durationMs,
    resourceUse,
    ...(notKept === undefined ? {} : { reason: notKept, remember: false }),
  })
}

/** Another node of this run has the same key: its work is this node's too. */
async function shareWork(
  context: RunContext,
  node: WorkflowNode,
  decision: Decision,
  same: { readonly node: NodeId; readonly result: Promise<PerformedWork> },
): Promise<NodeResult> {
  const executed = await same.result
  if ('interrupted' in executed) return { state: 'skipped', because: 'interrupted' }
  // Its failure is told once, by the node that did the work.
  if ('failure' in executed) return { state: 'skipped', because: same.node }
  const reason = `the same work as ${same.node}`
  return await finish(context, node, decision, { outcome: 'reused', outputs: executed.outputs, reason })
}

interface Finished {
  readonly outcome: 'executed' | 'reused'
  readonly outputs: NodeOutputs
  /** By port. To ask a type costs loading its code, which is not worth it for what was there before. */
  readonly descriptions?: Readonly<Record<string, string>>
  readonly durationMs?: number
  readonly resourceUse?: ResourceUse | undefined
  /** What was spared. */
  readonly savedMs?: number
  readonly reason?: string
  /** Whether later reasons compare with this run. @default true */
  readonly remember?: boolean
}

async function finish(
  context: RunContext,
  node: WorkflowNode,
  decision: Decision,
  finished: Finished,
): Promise<NodeResult> {
  const { store, workflow } = context
  const began = performance.now()
  const shown: Record<string, NodeOutput> = {}
  for (const [port, { type, kind, hash, sizeBytes }] of Object.entries(finished.outputs)) {
    const path = node.outputs[port]
    if (path !== undefined) {
      const placed = await store.materialise(hash, kind, path)
      if ('fault' in placed && placed.fault !== undefined) throw new StageFailure(placed.fault)
    }
    const description = finished.descriptions?.[port]
    shown[port] = {
      type,
      hash,
      sizeBytes,
      ...(path === undefined ? {} : { path }),
      ...(description === undefined ? {} : { description }),
    }
  }
  if (
    finished.remember !== false &&
    (await store.rememberRun({ file: workflow.file, node: node.id }, decision, foundIn(decision)))
  ) {
    await rememberOwnValues(context, node, decision.preimage.inputs)
  }
  context.emit({
    type: 'node-finished',
    node: node.id,
    outcome: finished.outcome,
    key: decision.key,
    durationMs: Math.round(finished.durationMs ?? performance.now() - began),
    outputs: shown,
    ...(finished.resourceUse === undefined ? {} : { resourceUse: finished.resourceUse }),
    ...(finished.savedMs === undefined ? {} : { savedMs: finished.savedMs }),
    ...(finished.reason === undefined ? {} : { reason: finished.reason }),
  })
  return { state: finished.outcome, outputs: finished.outputs }
}

/** With its record, where one was found. */
function foundIn(decision: Decision): FoundRecord {
  return decision.decision === 'reuse' ? decision : {}
}

function failed(
  context: RunContext,
  node: WorkflowNode,
  durationMs: number,
  failure: NodeFailure,
  attempt: { readonly log?: string; readonly resourceUse?: ResourceUse | undefined } = {},
): NodeResult {
  const { log, resourceUse } = attempt
  context.emit({
    type: 'node-failed',
    node: node.id,
    durationMs: Math.round(durationMs),
    failure,
    ...(log === undefined ? {} : { log }),
    ...(resourceUse === undefined ? {} : { resourceUse }),
  })
  return { state: 'failed' }
}

/** Of several nodes that need one value, the first fetches it and shows how far it is; the others wait. */
async function fetchRemotes({ remotes, signal, emit }: RunContext, node: WorkflowNode): Promise<void> {
  const throttle = new ProgressThrottle((progress) =>
    emit({ type: 'node-progress', node: node.id, ...progress }),
  )
  for (const { source } of inputSources(node)) {
    if (source.kind !== 'remote') continue
    await remotes.fetch(source, { signal, progress: (progress) => throttle.push(progress) })
  }
  throttle.flush()
}

async function checkOwnFiles(
  { project, store, catalog, remotes }: RunContext,
  node: WorkflowNode,
): Promise<void> {
  for (const { port, source } of inputSources(node)) {
    if (source.kind === 'node') continue
    const path = await ownPath(project, source, remotes)
    const { kind, hash } = await hashFile(store, path)
    const types = node.stage.inputs[port]?.types ?? []
    const failure = await checkInput({ catalog, store, project, path, kind, hash, types }, port)
    if (failure !== undefined) throw new StageFailure(failure)
  }
}
