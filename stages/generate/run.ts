import { writeFileSync } from 'node:fs'
import type { ContextOf } from 'flow/stage'
import { jsonLines } from '../../lm/text/json-lines.ts'
import { readPrompts } from '../../lm/text/rows.ts'
import { chooseWriter } from '../sampling/choose-writer.ts'
import { storedResponse } from '../sampling/stored-response.ts'
import { reportProgress } from '../sampling/writer.ts'
import type stage from './index.ts'

export async function sample({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  const rows = readPrompts(inputs.prompts).slice(0, params.limit === 0 ? undefined : params.limit)
  const writer = await chooseWriter(inputs, params, context)
  const prompts = rows.flatMap(({ prompt }) => Array.from({ length: params.candidates }, () => prompt))
  const answers = await writer.write(prompts, params, {
    signal: context.signal,
    progress: reportProgress(prompts.length, context.progress),
  })
  const answered = rows.map((row, index) => {
    const responses = answers
      .slice(index * params.candidates, (index + 1) * params.candidates)
      .map(storedResponse)
    return { ...row, responses }
  })
  writeFileSync(outputs.responses, jsonLines(answered))
  const cut = answers.filter((answer) => !answer.finished).length
  if (cut > 0) context.log(`${cut} of ${answers.length} answers were cut at ${params.max_new_tokens} tokens`)
}
