import { writeFileSync } from 'node:fs'
import { type ContextOf, StageFailure } from 'flow/stage'
import { jsonLines } from '../../lm/text/json-lines.ts'
import type { Message } from '../../lm/text/messages.ts'
import { chooseWriter } from '../sampling/choose-writer.ts'
import { storedResponse } from '../sampling/stored-response.ts'
import { reportProgress } from '../sampling/writer.ts'
import { readConversations } from './conversation.ts'
import type stage from './index.ts'

export async function converse({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  const all = readConversations(inputs.questions)
  const conversations = params.limit === 0 ? all : all.slice(0, params.limit)
  if (conversations.length === 0) {
    throw new StageFailure({ code: 'no-rows', message: 'there are no questions', file: inputs.questions })
  }
  const turns = Math.max(...conversations.map(({ later }) => later.length + 1))
  const messages: Message[][] = conversations.map(({ opening }) => [...opening])
  const rows: object[][] = conversations.map(() => [])
  let cut = 0
  const writer = await chooseWriter(inputs, params, context)
  for (let turn = 1; turn <= turns; turn++) {
    const open = [...conversations.keys()].filter((index) => conversations[index]!.later.length + 1 >= turn)
    for (const index of turn === 1 ? [] : open) {
      messages[index]!.push({ role: 'user', content: conversations[index]!.later[turn - 2]! })
    }
    const asked = open.map((index) => [...messages[index]!])
    const note = turns === 1 ? undefined : `turn ${turn} of ${turns}`
    const answers = await writer.write(asked, params, {
      signal: context.signal,
      progress: reportProgress(asked.length, context.progress, note),
    })
    open.forEach((index, place) => {
      const { labels, references } = conversations[index]!
      const answer = answers[place]!
      const reference = references[turn - 1]
      if (!answer.finished) cut++
      rows[index]!.push({
        ...labels,
        turn,
        prompt: asked[place]!,
        ...(reference !== undefined && { reference }),
        responses: [storedResponse(answer)],
      })
      messages[index]!.push({ role: 'assistant', content: answer.text })
    })
  }
  const lines = rows.flat()
  writeFileSync(outputs.responses, jsonLines(lines))
  const ended = cut === 0 ? '' : `; ${cut} were cut at ${params.max_new_tokens} tokens`
  context.log(`${lines.length} replies in ${conversations.length} conversations${ended}`)
}
