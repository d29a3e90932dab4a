/** @file Public surface for artifact authors: `import { defineArtifact } from 'flow/artifacts'`. */
export { type ArtifactDefinition, type ArtifactFault, defineArtifact } from './define.ts'
