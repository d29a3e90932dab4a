/** @file The course of a policy-gradient stage, the same for GRPO and GSPO. */
import {
  type Policy,
  referenceLogps,
  runTraining,
  type TrainingContext,
  type TrainingParams,
  trainerSettings,
} from '../training/policy.ts'
import { type Course, taskSettings } from './course.ts'
import type { PolicyParams } from './params.ts'
import { readComparedSamples, type Sample, type ScoredCompletion } from './samples.ts'
import { policyTask } from './task.ts'

export async function optimisePolicy(
  course: Course,
  policy: Policy,
  completions: readonly ScoredCompletion[],
  params: TrainingParams & PolicyParams,
  outputs: { readonly adapter: string; readonly log: string },
  context: TrainingContext,
): Promise<void> {
  const samples = readComparedSamples(completions, policy.model, params, context)
  const withReference = params.beta === 0 ? samples : await referenced(samples, policy, params, context)
  const task = policyTask(withReference, taskSettings(course, params))
  await runTraining(course.stage, policy, task, trainerSettings(params, params.temperature), outputs, context)
}

/** Samples with the log-probabilities of the policy as it enters. */
export async function referenced(
  samples: readonly Sample[],
  policy: Policy,
  params: TrainingParams & { readonly temperature: number },
  context: TrainingContext,
): Promise<Sample[]> {
  const sequences = samples.map(({ sequence }) => sequence)
  const logps = await referenceLogps(policy, sequences, params.batch_size, params.temperature, context)
  return samples.map((sample, index) => ({ ...sample, reference: logps[index]! }))
}
