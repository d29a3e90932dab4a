/**
 * @file How a worker's C library keeps memory. A training step takes and gives back hundreds of arrays of megabytes;
 * left alone, glibc returns each to the system, which then hands out empty pages one by one. Other C libraries pay
 * these variables no heed.
 */

const tuning: Readonly<Record<string, string>> = {
  // From the heap instead of a mapping each, which is not given back before the process ends, and grows in steps.
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 40),
  MALLOC_TOP_PAD_: String(64 * 2 ** 20),
}

/** The environment to start a worker in; what it sets itself stays. */
export function withMemoryTuning(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...tuning, ...environment }
}

/** Called in the worker, whose library has read them: programs that a stage starts are to behave as ever. */
export function forgetMemoryTuning(environment: NodeJS.ProcessEnv): void {
  for (const [name, value] of Object.entries(tuning))
    if (environment[name] === value) delete environment[name]
}
