/** @file `rubric`: what a judge is asked, with how its verdict is read. */
import { defineArtifact } from 'flow/artifacts'
import { readRubric } from '../../lm/judging/rubric.ts'
import { faultsOf } from './check/faults.ts'

export const rubric = defineArtifact({
  name: 'rubric',
  kind: 'file',
  description:
    'Text with {question} and {reply}, or {reply_a} and {reply_b}; front matter says how verdicts are read',
  extends: 'text',
  validate: (path) => faultsOf(path, () => readRubric(path)),
  describe: (path) => {
    const { mode, minimum, maximum } = readRubric(path)
    return mode === 'pairwise' ? 'compares two replies' : `scores from ${minimum} to ${maximum}`
  },
})
