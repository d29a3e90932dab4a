/** @file The environment in which a node runs: the engine's own, and over it what the node's policy sets. */
import type { WorkflowNode } from '../workflow/workflow.ts'

type Environment = Readonly<Record<string, string | undefined>>

export function nodeEnvironment({ policy }: WorkflowNode, environment: Environment): Environment {
  if (policy.env === undefined) return environment
  const set = Object.entries(policy.env).filter(([, value]) => value !== null) as [string, string][]
  return { ...environment, ...Object.fromEntries(set) }
}
