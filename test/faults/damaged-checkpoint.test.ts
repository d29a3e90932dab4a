/** @file Whatever lies beside a key between two attempts is believed only where it is just what was saved. */
import { appendFileSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadTrainerState, saveTrainerState, type TrainerState } from '../../lm/training/checkpoint.ts'
import { loadOnlineState, rowsFile, saveOnlineState } from '../../stages/grpo/online/checkpoint.ts'
import { AnswerLog } from '../../stages/sampling/endpoint/answer-log.ts'
import { temporaryFolder } from '../engine/temporary-store.ts'

const trainer: TrainerState = {
  step: 3,
  parameters: Float32Array.of(1, 2, 3),
  firstMoment: Float32Array.of(0.1, 0.2, 0.3),
  secondMoment: Float32Array.of(0.01, 0.02, 0.03),
  initial: Float32Array.of(0, 0, 0),
  log: [{ step: 3, loss: 0.5 }],
  best: undefined,
}

/** A file with a bit of every so-manieth byte flipped, cut there, and removed. */
function* damages(bytes: Buffer, every: number): Generator<[string, Buffer | undefined]> {
  for (let at = 0; at < bytes.length; at += every) {
    const flipped = Buffer.from(bytes)
    flipped[at] = bytes[at]! ^ (1 << (at % 8))
    yield [`byte ${at} flipped`, flipped]
    yield [`cut at byte ${at}`, bytes.subarray(0, at)]
  }
  yield ['removed', undefined]
}

function put(file: string, bytes: Buffer | undefined): void {
  if (bytes === undefined) rmSync(file)
  else writeFileSync(file, bytes)
}

describe('rule 13: a damaged checkpoint is noticed, and its work begun anew', () => {
  test("a trainer's state", () => {
    const folder = temporaryFolder()
    saveTrainerState(folder, trainer)
    expect(loadTrainerState(folder)).toEqual(trainer)
    const file = join(folder, 'trainer.safetensors')
    const whole = readFileSync(file)
    for (const [what, bytes] of damages(whole, 3)) {
      put(file, bytes)
      const told: string[] = []
      expect({ what, state: loadTrainerState(folder, (name) => told.push(name)) }).toEqual({
        what,
        state: undefined,
      })
      expect({ what, told }).toEqual({ what, told: bytes === undefined ? [] : ['trainer.safetensors'] })
    }
  })

  test('the state of an online run: each of its three files', () => {
    const folder = temporaryFolder()
    const rows = '{"completion":"one"}\n'
    writeFileSync(rowsFile(folder), rows)
    saveOnlineState(folder, { trainer, rollout: undefined, rowsBytes: rows.length })
    const names = readdirSync(folder).sort()
    expect(names).toEqual(['rollout-3.json', 'rollouts.jsonl', 'trainer.safetensors'])
    const kept = new Map(names.map((name) => [name, readFileSync(join(folder, name))]))
    const restore = () => {
      for (const [name, bytes] of kept) writeFileSync(join(folder, name), bytes)
    }
    for (const [name, whole] of kept) {
      for (const [what, bytes] of damages(whole, 11)) {
        restore()
        put(join(folder, name), bytes)
        expect({ name, what, state: loadOnlineState(folder, () => {}) }).toEqual({
          name,
          what,
          state: undefined,
        })
        expect(readFileSync(rowsFile(folder), 'utf8')).toBe('')
      }
    }
    restore()
    appendFileSync(rowsFile(folder), '{"completion":"of the step that was lost"}\n')
    expect(loadOnlineState(folder, () => {})).toEqual({ trainer, rollout: undefined, rowsBytes: rows.length })
    expect(readFileSync(rowsFile(folder), 'utf8')).toBe(rows)
  })

  test('answers of a server, line by line', () => {
    const folder = temporaryFolder()
    const log = new AnswerLog<{ text: string }>(folder)
    log.keep('first', { text: 'one' })
    log.keep('second', { text: 'two' })
    const file = join(folder, 'answers.jsonl')
    const whole = readFileSync(file)
    for (const [what, bytes] of damages(whole, 3)) {
      put(file, bytes)
      const read = new AnswerLog<{ text: string }>(folder)
      for (const [request, text] of Object.entries({ first: 'one', second: 'two' })) {
        expect([undefined, text], what).toContain(read.get(request)?.text)
      }
    }
  })
})
