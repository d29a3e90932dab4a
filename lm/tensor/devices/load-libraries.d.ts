export function loadLibraries(files: readonly string[]): void
