/** @file Every rule by which judged candidates become training rows. */
import { describe, expect, it } from 'vitest'
import { preferences } from '../../stages/artifacts/preferences.ts'
import { rewardGroups, rewards } from '../../stages/artifacts/rewards.ts'
import clean from '../../stages/clean/index.ts'
import { softmaxWeights } from '../../stages/clean/softmax.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'

/** A judged prompt: `scores` by reply. */
function judgedRow(
  instruction: string,
  scores: readonly (readonly [response: string, score: number | null])[],
) {
  const candidates = scores.map(([response, score], index) => ({
    response,
    score,
    judge_output: `Score: ${score}`,
    votes: [score],
    token_ids: [index, 2],
    logps: [-0.5, -0.25],
    finished: true,
  }))
  return { instruction, candidates, chosen: null, chosen_score: null, rejected: null, rejected_score: null }
}

function judgedFile(...rows: readonly object[]): string {
  return temporaryFile('judged.jsonl', rows)
}

const plainRow = judgedRow('What is 2 plus 3?', [
  ['Answer: 5', 5],
  ['Answer: 6', 2],
  ['Answer: x', null],
])
const tiedRow = judgedRow('What is 1 plus 1?', [
  ['Answer: 2', 4],
  ['Answer: 2.', 4],
])

async function faultsIn(type: typeof preferences, path: string) {
  const faults = []
  for await (const fault of type.validate(path)) faults.push(fault)
  return faults
}

describe('pairs', () => {
  it('sets the best against the worst reply and carries scores and tokens', async () => {
    const run = await runStage(clean, { judged: judgedFile(plainRow) })
    expect(run.rows('preferences')).toEqual([
      {
        prompt: 'What is 2 plus 3?',
        chosen: 'Answer: 5',
        rejected: 'Answer: 6',
        chosen_score: 5,
        rejected_score: 2,
        chosen_token_ids: [0, 2],
        rejected_token_ids: [1, 2],
      },
    ])
    expect(await faultsIn(preferences, run.outputs.preferences!)).toEqual([])
    expect(await faultsIn(rewards, run.outputs.rewards!)).toEqual([])
    expect(await faultsIn(rewardGroups, run.outputs.groups!)).toEqual([])
  })

  it('drops ties by default and keeps them on demand', async () => {
    const judged = judgedFile(plainRow, tiedRow)
    const dropped = await runStage(clean, { judged })
    expect(dropped.rows('preferences')).toHaveLength(1)
    expect(JSON.parse(dropped.text('counters')).values).toMatchObject({ total: 2, kept: 1, dropped_tie: 1 })

    const kept = await runStage(clean, { judged }, { ties: 'keep' })
    expect(kept.rows('preferences')).toHaveLength(2)
    const [, pair] = kept.rows('preferences')
    expect([pair.chosen, pair.rejected].sort()).toEqual(['Answer: 2', 'Answer: 2.'])
    expect(pair.chosen_score).toBe(pair.rejected_score)
  })

  it('counts scores that differ in their last bits as a tie', async () => {
    const row = judgedRow('p', [
      ['a', 0.1 + 0.2],
      ['b', 0.3],
    ])
    const run = await runStage(clean, { judged: judgedFile(plainRow, row) })
    expect(JSON.parse(run.text('counters')).values).toMatchObject({ dropped_tie: 1, dropped_other: 0 })
  })

  it('asks for more than the smallest gap', async () => {
    const judged = judgedFile(
      plainRow,
      judgedRow('p', [
        ['a', 4],
        ['b', 3],
      ]),
    )
    for (const [gap, expected] of [
      [0.5, 2],
      [1, 1],
      [2.9, 1],
    ] as const) {
      const run = await runStage(clean, { judged }, { min_gap: gap })
      expect(run.rows('preferences')).toHaveLength(expected)
      expect(JSON.parse(run.text('counters')).values).toMatchObject({
        kept: expected,
        dropped_other: 2 - expected,
      })
    }
  })

  it('chooses among equals by the seed, and each of them for some seed', async () => {
    const judged = judgedFile(
      judgedRow('p', [
        ['a', 5],
        ['b', 5],
        ['c', 1],
        ['d', 1],
      ]),
    )
    const pairOf = async (seed: number) => {
      const [{ chosen, rejected }] = (await runStage(clean, { judged }, { seed })).rows('preferences')
      return `${chosen}${rejected}`
    }
    const pairs = await Promise.all(Array.from({ length: 40 }, (_, seed) => pairOf(seed)))
    expect(new Set(pairs)).toEqual(new Set(['ac', 'ad', 'bc', 'bd']))
    expect(await pairOf(3)).toBe(pairs[3])
  })

  it('never pairs a reply with its own text', async () => {
    const judged = judgedFile(
      plainRow,
      judgedRow('p', [
        ['same', 5],
        ['same', 1],
      ]),
    )
    const run = await runStage(clean, { judged })
    expect(run.rows('preferences')).toHaveLength(1)
    expect(JSON.parse(run.text('counters')).values).toMatchObject({ dropped_other: 1 })
  })
})

describe('candidates without a score', () => {
  it('stand in no output and never count as 0', async () => {
    const run = await runStage(clean, { judged: judgedFile(plainRow) })
    expect(run.rows('rewards').map((row) => row.reward)).toEqual([5, 2])
    expect(run.rows('groups')[0].responses).toEqual(['Answer: 5', 'Answer: 6'])
    expect(JSON.parse(run.text('counters')).values).toEqual({
      total: 1,
      kept: 1,
      had_nan: 1,
      dropped_tie: 0,
      dropped_other: 0,
      candidates: 3,
      unscored: 1,
      fallback_pairs: 0,
    })
  })

  it('leave a prompt with one score without a pair and without a group', async () => {
    const run = await runStage(clean, {
      judged: judgedFile(
        plainRow,
        judgedRow('p', [
          ['a', 0],
          ['b', null],
        ]),
      ),
    })
    expect(run.rows('preferences')).toHaveLength(1)
    expect(run.rows('groups')).toHaveLength(1)
    expect(run.rows('rewards').map(({ reward, group }) => [reward, group])).toEqual([
      [5, 0],
      [2, 0],
      [0, 1],
    ])
    expect(JSON.parse(run.text('counters')).values).toMatchObject({ total: 2, had_nan: 2, dropped_other: 1 })
  })
})

describe('rewards and groups', () => {
  it('carry tokens, log-probabilities and whether the reply ended', async () => {
    const run = await runStage(clean, { judged: judgedFile(plainRow) })
    expect(run.rows('rewards')[1]).toEqual({
      prompt: 'What is 2 plus 3?',
      response: 'Answer: 6',
      reward: 2,
      group: 0,
      token_ids: [1, 2],
      logps: [-0.5, -0.25],
      finished: true,
    })
    const [group] = run.rows('groups')
    expect(group).toMatchObject({
      rewards: [5, 2],
      token_ids: [
        [0, 2],
        [1, 2],
      ],
      finished: [true, true],
    })
    expect(group.logps).toEqual([
      [-0.5, -0.25],
      [-0.5, -0.25],
    ])
  })

  it('weigh by softmax(reward / temperature)', async () => {
    const judged = judgedFile(plainRow)
    const weightsAt = async (temperature: number) =>
      (await runStage(clean, { judged }, { temperature })).rows('groups')[0].weights
    expect((await weightsAt(1))[0]).toBeCloseTo(1 / (1 + Math.exp(-3)), 12)
    expect((await weightsAt(3))[0]).toBeCloseTo(1 / (1 + Math.exp(-1)), 12)
    expect(softmaxWeights([1, 0], 0)).toEqual([1, 0])
    expect(softmaxWeights([1000, 1000], 1)).toEqual([0.5, 0.5])
  })
})

describe('the control experiment', () => {
  const rows = Array.from({ length: 30 }, (_, row) =>
    judgedRow(`prompt ${row}`, [
      ['a', 1],
      ['b', 2],
      ['c', null],
      ['d', 4],
    ]),
  )

  it('permutes the scores within each prompt and changes nothing else', async () => {
    const judged = judgedFile(...rows)
    const plain = await runStage(clean, { judged })
    const shuffled = await runStage(clean, { judged }, { scores: 'shuffled', seed: 7 })
    expect(plain.rows('preferences').every((pair) => pair.chosen === 'd' && pair.rejected === 'a')).toBe(true)
    const chosen = shuffled.rows('preferences').map((pair) => pair.chosen)
    expect(new Set(chosen)).toEqual(new Set(['a', 'b', 'd']))
    for (const group of shuffled.rows('groups')) {
      expect(group.responses).toEqual(['a', 'b', 'd'])
      expect([...group.rewards].sort()).toEqual([1, 2, 4])
    }
    expect(shuffled.text('counters')).toBe(plain.text('counters'))
  })

  it('is repeatable and differs between seeds', async () => {
    const judged = judgedFile(...rows)
    const rewardsOf = async (seed: number) =>
      (await runStage(clean, { judged }, { scores: 'shuffled', seed })).text('rewards')
    expect(await rewardsOf(1)).toBe(await rewardsOf(1))
    expect(await rewardsOf(1)).not.toBe(await rewardsOf(2))
  })
})

describe('nothing to train on', () => {
  const pair = { prompt: 'p', chosen: 'good', rejected: 'bad' }

  it('falls back on ready pairs, loudly', async () => {
    const run = await runStage(clean, {
      judged: judgedFile(tiedRow),
      fallback: temporaryFile('manual.jsonl', [pair]),
    })
    expect(run.warnings.join('\n')).toMatch(/NO PAIR.*fallback/s)
    expect(run.rows('preferences')).toEqual([pair])
    expect(run.rows('rewards')).toEqual([
      { prompt: 'p', response: 'good', reward: 1, group: 0 },
      { prompt: 'p', response: 'bad', reward: 0, group: 0 },
    ])
    expect(run.rows('groups')[0].responses).toEqual(['good', 'bad'])
    expect(JSON.parse(run.text('counters')).values).toMatchObject({
      kept: 0,
      fallback_pairs: 1,
      dropped_tie: 1,
    })
  })

  it('keeps its own rewards where they say something', async () => {
    const run = await runStage(
      clean,
      { judged: judgedFile(plainRow), fallback: temporaryFile('manual.jsonl', [pair]) },
      { min_gap: 4 },
    )
    expect(run.rows('preferences')).toEqual([pair])
    expect(run.rows('rewards').map((row) => row.reward)).toEqual([5, 2])
  })

  it('does not touch the fallback where a pair is kept', async () => {
    const run = await runStage(clean, {
      judged: judgedFile(plainRow),
      fallback: temporaryFile('manual.jsonl', [pair]),
    })
    expect(run.warnings).toEqual([])
    expect(run.rows('preferences')).toHaveLength(1)
    expect(run.rows('preferences')[0].chosen).toBe('Answer: 5')
  })

  it('fails without a fallback, and on an empty file', async () => {
    expect(await failureOf(runStage(clean, { judged: judgedFile(tiedRow) }))).toMatchObject({
      code: 'no-pairs',
      hint: expect.stringContaining('ties'),
    })
    expect(await failureOf(runStage(clean, { judged: judgedFile() }))).toMatchObject({ code: 'no-pairs' })
  })

  it('names the line of a broken row', async () => {
    const judged = temporaryFile('judged.jsonl', `${JSON.stringify(plainRow)}\n{"instruction": "p"}\n`)
    expect(await failureOf(runStage(clean, { judged }))).toMatchObject({ code: 'invalid-row', line: 2 })
  })
})
