/** @file Public surface for plugin authors: `import { defineStage, Type } from 'flow/stage'`. */
export { type Static, Type } from 'typebox'
export { type CommandContext, type CommandDefinition, defineCommand } from './command.ts'
export {
  type ContextOf,
  defineStage,
  type InputPort,
  type Kept,
  type OutputPort,
  type Progress,
  type StageContext,
  type StageDefinition,
} from './define.ts'
export { isStageFailure, StageFailure, type StageFailureDetails } from './failure.ts'
