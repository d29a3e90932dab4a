/** @file Public surface for artifact authors: `import { defineArtifact } from 'flow/artifacts'`. */
export {
  type ArtifactDefinition,
  type ArtifactFault,
  type ArtifactKind,
  defineArtifact,
  type FetchContext,
  type RemoteSource,
} from './define.ts'
