/**
 * @file One execution of a stage, from an attempt of its own to a committed result: the stage writes into the
 * attempt, its outputs are checked by content, its inputs are checked to be still the same, and only then is the
 * result committed.
 */
import { statSync } from 'node:fs'
import { rename } from 'node:fs/promises'
import { relative } from 'node:path'
import { checkArtifact, describeArtifact } from '../artifacts/check.ts'
import { cacheKey, type InputHashes } from '../fingerprint/key.ts'
import type { ContentHash, NodeId } from '../identity.ts'
import type { Decision } from '../plan/decide.ts'
import { hashFile, inputSources, type NodeOutputs, outputOf, ownPath } from '../plan/inputs.ts'
import { nodeEnvironment } from '../plan/node-environment.ts'
import { executeStage } from '../stage/execute.ts'
import { StageFailure } from '../stage/failure.ts'
import { forgiveSystemError } from '../stage/machine-failure.ts'
import type { ResourceUse } from '../stage/resource-use.ts'
import type { LentWorker } from '../stage/worker-pool.ts'
import type { Attempt, CommitDetails, Store } from '../store/store.ts'
import type { WorkflowNode } from '../workflow/workflow.ts'
import { stageThreads } from './capacity.ts'
import { faultsAsFailure } from './check-values.ts'
import { failureDetails, type NodeFailure } from './failure-details.ts'
import { NodeLog } from './node-log.ts'
import type { RunContext } from './run-workflow.ts'
import { TimeLimit } from './time-limit.ts'
import { defaultStallMs, VitalSigns } from './vital-signs.ts'

export type ExecutedNode =
  | {
      readonly outputs: NodeOutputs
      /** By port: one short line for people. */
      readonly descriptions: Readonly<Record<string, string>>
      readonly durationMs: number
      readonly resourceUse: ResourceUse | undefined
      /** Why the result serves this run alone. */
      readonly notKept?: string
    }
  /** Nothing was executed: another attempt at the key has ended with a result since it was decided to run. */
  | { readonly outputs: NodeOutputs; readonly madeMeanwhile: true }
  | {
      readonly failure: NodeFailure
      readonly durationMs: number
      readonly resourceUse: ResourceUse | undefined
      /** What the stage said; project-relative. */
      readonly log: string
    }
  | { readonly interrupted: true }
  /** Another attempt at the key lives, or took this one's place while this process was suspended. */
  | { readonly heldElsewhere: true }

export interface Execution {
  readonly node: WorkflowNode
  readonly decision: Decision
  readonly upstream: ReadonlyMap<NodeId, NodeOutputs>
  /** Names of the GPU devices that the node holds. */
  readonly gpus: readonly string[]
  /** From 1. */
  readonly attempt: number
}

export async function madeMeanwhile(
  store: Store,
  { key, refresh }: Decision,
): Promise<{ readonly outputs: NodeOutputs; readonly madeMeanwhile: true } | undefined> {
  if (refresh) return undefined
  const { record } = await store.lookup(key)
  return record === undefined ? undefined : { outputs: record.outputs, madeMeanwhile: true }
}

/** Emits `node-started` when the lease on the key is held and there still is no result. */
export async function executeNode(context: RunContext, execution: Execution): Promise<ExecutedNode> {
  const { store, project, signal, emit } = context
  const { node, decision } = execution
  const attempt = await store.tryBegin(decision.key)
  if (attempt === undefined) return { heldElsewhere: true }
  // A key that has no record now, under its lease, has no result.
  const made = attempt.generation === 1 ? undefined : await madeMeanwhile(store, decision)
  if (made !== undefined) {
    await store.discard(attempt)
    return made
  }
  const began = performance.now()
  const { key, reason } = decision
  const again = execution.attempt === 1 ? {} : { attempt: execution.attempt }
  emit({ type: 'node-started', node: node.id, stage: node.stage.name, key, reason, ...again })
  const log = new NodeLog(attempt.log, (why) =>
    emit({ type: 'warning', message: `the log of ${node.id} ends here, since it cannot be written: ${why}` }),
  )
  const limit = new TimeLimit(node.policy.timeoutMs ?? 0, signal)
  const signs = new VitalSigns(node.policy.stallMs ?? defaultStallMs, (beat) =>
    emit({ type: 'node-heartbeat', node: node.id, ...beat }),
  )
  const worker = (await context.workers()).lend()
  try {
    const course = { attempt, log, signs, worker, signal: limit.signal }
    const executed = await executeIn(course, context, execution)
    await worker.giveBack(!('notKept' in executed))
    return executed
  } catch (error) {
    await worker.giveBack(false)
    if (signal.aborted) {
      await store.discard(attempt)
      return { interrupted: true }
    }
    if (!store.isCurrent(attempt)) {
      await store.discard(attempt)
      emit({ type: 'warning', message: `${node.id}: this run was suspended, and another took over its work` })
      return { heldElsewhere: true }
    }
    const durationMs = performance.now() - began
    const resourceUse = resourceUseOf(signs, execution.gpus, durationMs)
    const failure = limit.exceeded ? limit.failure : failureDetails(error)
    log.append(`${failure.code}: ${failure.stack ?? failure.message}`)
    try {
      const kept = await store.abandon(attempt, failure)
      return { failure, durationMs, resourceUse, log: relative(project, kept.log) }
    } catch (unkept) {
      // The first failure must not hide behind the second: most likely both have one cause, a full disk.
      forgiveSystemError(unkept)
      return { failure, durationMs, resourceUse, log: relative(project, attempt.log) }
    }
  } finally {
    signs.stop()
    limit.stop()
  }
}

function resourceUseOf(
  signs: VitalSigns,
  gpus: readonly string[],
  durationMs: number,
): ResourceUse | undefined {
  if (gpus.length === 0) return signs.use
  return { ...signs.use, gpuSeconds: Number(((gpus.length * durationMs) / 1000).toFixed(2)) }
}

/** What one attempt runs with. */
interface Course {
  readonly attempt: Attempt
  readonly log: NodeLog
  readonly signs: VitalSigns
  readonly worker: LentWorker
  readonly signal: AbortSignal
}

async function executeIn(
  { attempt, log, signs, worker, signal }: Course,
  context: RunContext,
  execution: Execution,
): Promise<ExecutedNode> {
  const { store, emit, device } = context
  const { node, decision, upstream, gpus } = execution
  const startedAt = new Date().toISOString()
  const began = performance.now()
  const values = await openInputs(context, node, decision.preimage.inputs, upstream)
  await executeStage({
    stage: node.stage,
    inputs: inputPaths(node, values),
    outputs: outputPaths(node, attempt),
    params: node.params,
    environment: nodeEnvironment(node, process.env),
    device,
    // Asked to do without, it sees none; what says nothing of devices sees what there is.
    ...(gpus.length > 0 || node.policy.resources?.gpus === 0 ? { gpus } : {}),
    threads: stageThreads,
    checkpoint: attempt.checkpoint,
    contents: decision.preimage.inputs,
    worker,
    signal,
    onProgress: (progress) => {
      signs.heard()
      store.report(attempt, progress)
      emit({ type: 'node-progress', node: node.id, ...progress })
    },
    onProcess: (pid, isFresh) => signs.watch(pid, isFresh),
    onUse: (use) => signs.told(use),
    onLog: (level, message) => {
      signs.heard()
      log.append(level === 'warning' ? `warning: ${message}` : message)
      emit({ type: 'node-log', node: node.id, level, message })
    },
  })
  signs.stop()
  const outputs = await checkOutputs(context, node, attempt)
  const durationMs = Math.round(performance.now() - began)
  const resourceUse = resourceUseOf(signs, gpus, durationMs)
  const details: CommitDetails = {
    preimage: decision.preimage,
    outputs,
    startedAt,
    durationMs,
    resourceUse,
    refresh: decision.refresh,
  }
  const changed = await changedInputs(context, values)
  const descriptions = await describeOutputs(context, node, attempt, outputs)
  if (changed.length > 0) {
    return { ...(await commitForThisRun(context, attempt, details, changed)), descriptions }
  }
  const record = await store.commit(attempt, details)
  store.share(record.key)
  if (record.differs.length > 0) {
    emit({
      type: 'warning',
      message: `${node.id} wrote other bytes than before from the same inputs: ${record.differs.join(', ')}`,
    })
  }
  return { outputs: record.outputs, descriptions, durationMs, resourceUse }
}

/** One input value as the stage sees it. */
interface OpenValue {
  readonly port: string
  readonly label?: string
  /** Absolute. */
  readonly path: string
  readonly kind: 'file' | 'folder'
  /** What it was when the key was computed. */
  readonly hash: ContentHash
  /** A user's own, or a view of a value in the store. */
  readonly own: boolean
}

async function openInputs(
  { project, store, remotes }: RunContext,
  node: WorkflowNode,
  inputs: InputHashes,
  upstream: ReadonlyMap<NodeId, NodeOutputs>,
): Promise<OpenValue[]> {
  return await Promise.all(
    inputSources(node).map(async ({ source, ...place }) => {
      if (source.kind === 'node') {
        const { hash, kind } = outputOf(upstream, source)
        return { ...place, path: await store.valuePath(hash, kind), kind, hash, own: false }
      }
      const path = await ownPath(project, source, remotes)
      const kind = statSync(path).isDirectory() ? ('folder' as const) : ('file' as const)
      return { ...place, path, kind, hash: hashOf(inputs, place), own: true }
    }),
  )
}

function hashOf(inputs: InputHashes, place: { readonly port: string; readonly label?: string }): ContentHash {
  const hashes = inputs[place.port]
  const hash = typeof hashes === 'object' ? hashes[place.label ?? ''] : hashes
  if (hash === undefined) throw new Error(`input ${place.port} has no hash`)
  return hash
}

/** As `run` of a stage receives them: a path, or label -> path for a port that takes many. */
function inputPaths(
  node: WorkflowNode,
  values: readonly OpenValue[],
): Record<string, string | Record<string, string>> {
  const paths: Record<string, string | Record<string, string>> = {}
  for (const [port, { many }] of Object.entries(node.stage.inputs)) if (many) paths[port] = {}
  for (const { port, label, path } of values) {
    const labelled = paths[port]
    if (label !== undefined && typeof labelled === 'object') labelled[label] = path
    else paths[port] = path
  }
  return paths
}

function outputPaths(node: WorkflowNode, attempt: Attempt): Record<string, string> {
  return Object.fromEntries(Object.keys(node.stage.outputs).map((port) => [port, attempt.outputPath(port)]))
}

/** Every declared output is there, is what its type says, and holds no fault. */
async function checkOutputs(
  { catalog }: RunContext,
  node: WorkflowNode,
  attempt: Attempt,
): Promise<CommitDetails['outputs']> {
  const outputs: Record<string, CommitDetails['outputs'][string]> = {}
  for (const [port, { type }] of Object.entries(node.stage.outputs)) {
    const path = attempt.outputPath(port)
    const kind = catalog.artifacts.get(type)?.kind
    if (kind === undefined) throw new Error(`stage ${node.stage.name} declares the unknown type ${type}`)
    const found = statSync(path, { throwIfNoEntry: false })
    const foundKind = found?.isFile() === true ? 'file' : 'folder'
    outputs[port] = { type, kind: kind === 'either' ? foundKind : kind }
    // What is missing or of another kind, the commit refuses.
    if (found === undefined || foundKind !== outputs[port].kind) continue
    const faults = await checkArtifact(catalog, type, path)
    if (faults.length === 0) continue
    const heading = `stage ${node.stage.name} wrote an output ${port} that is not valid ${type}`
    throw new StageFailure(faultsAsFailure('invalid-output', heading, port, faults))
  }
  return outputs
}

/** The values are good: a type that cannot describe one does not make the node fail. */
async function describeOutputs(
  { catalog, emit }: RunContext,
  node: WorkflowNode,
  attempt: Attempt,
  outputs: CommitDetails['outputs'],
): Promise<Record<string, string>> {
  const descriptions: Record<string, string> = {}
  for (const [port, { type }] of Object.entries(outputs)) {
    try {
      descriptions[port] = await describeArtifact(catalog, type, attempt.outputPath(port))
    } catch (error) {
      const message = `${node.id}: artifact type ${type} could not describe the value: ${(error as Error).message}`
      emit({ type: 'warning', message })
    }
  }
  return descriptions
}

/**
 * Own files that are not any more what the key was computed from. A value of the store that the stage altered is its
 * bug, and ends in a failure: others read that value too.
 */
async function changedInputs(
  { project, store }: RunContext,
  values: readonly OpenValue[],
): Promise<string[]> {
  const changed: string[] = []
  for (const { port, path, kind, hash, own } of values) {
    if (own) {
      const now = await hashFile(store, path).catch(() => undefined)
      if (now?.hash !== hash) changed.push(relative(project, path))
      continue
    }
    const check = await store.recheck(hash, kind)
    if (check.whole) continue
    throw new StageFailure({
      code: 'input-altered',
      message: `the value of input ${port} was altered while the stage ran: ${check.reason}`,
      hint: 'a stage must write to its outputs only; run again to rebuild the value',
    })
  }
  return changed
}

/**
 * Nobody knows which state of its inputs the stage has read. Nodes after it may use the result, since their keys hold
 * its content; but it is kept under a key that no other run can ask for.
 */
async function commitForThisRun(
  { store, journal }: RunContext,
  attempt: Attempt,
  details: CommitDetails,
  changed: readonly string[],
) {
  const { preimage } = details
  const environment = { ...preimage.environment, 'inputs changed during run': journal.runId }
  const unique = { ...preimage, environment }
  const single = await store.begin(cacheKey(unique))
  for (const port of Object.keys(details.outputs)) {
    // What is missing, the commit refuses.
    await rename(attempt.outputPath(port), single.outputPath(port)).catch(() => {})
  }
  const record = await store.commit(single, { ...details, preimage: unique })
  await store.discard(attempt)
  const verb = changed.length === 1 ? 'has' : 'have'
  const { durationMs, resourceUse } = details
  return {
    outputs: record.outputs,
    durationMs,
    resourceUse,
    notKept: `not kept: ${changed.join(', ')} ${verb} changed while it ran`,
  }
}
