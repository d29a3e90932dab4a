/** @file Generate and judge through a served model: what is sent, what goes wrong, and what is made of it. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { responses } from '../../stages/artifacts/responses.ts'
import clean from '../../stages/clean/index.ts'
import converse from '../../stages/converse/index.ts'
import evaluate from '../../stages/evaluate/index.ts'
import generate from '../../stages/generate/index.ts'
import judge from '../../stages/judge/index.ts'
import { Pace } from '../../stages/sampling/endpoint/pace.ts'
import winRate from '../../stages/win-rate/index.ts'
import { type Behaviour, ChatServer, question, refuse, reply } from './chat-server.ts'
import { failureOf, type RunCourse, runStage, temporaryFile, temporaryFolder } from './run-stage.ts'

const key = 'sk-test-0123456789'
process.env.FLOW_TEST_CHAT_KEY = key

const echo: Behaviour = (response, asked) => reply(response, `About ${question(asked)}`)
const prompts = () =>
  temporaryFile(
    'prompts.jsonl',
    ['one', 'two', 'three', 'four'].map((prompt) => ({ prompt })),
  )

function ask(server: ChatServer, params: object = {}, endpoint: object = {}, course: RunCourse = {}) {
  const served = { base_url: server.url, model: 'big', api_key_env: 'FLOW_TEST_CHAT_KEY', ...endpoint }
  return runStage(generate, { prompts: prompts() }, { candidates: 1, ...params, endpoint: served }, course)
}

const texts = (run: Awaited<ReturnType<typeof ask>>) =>
  run.rows('responses').map((row) => row.responses.map(({ text }: { text: string }) => text))

describe('generate through an endpoint', () => {
  it('asks each prompt as often as there are candidates, each a draw of its own', async () => {
    const server = await ChatServer.listen((response, asked) =>
      reply(response, `${question(asked)} ${asked.body.seed}`),
    )
    const progress: number[] = []
    const settings = { candidates: 2, temperature: 0.5, top_p: 0.8, max_new_tokens: 7, seed: 40 }
    const run = await ask(server, settings, {}, { progress: ({ step }) => progress.push(step) })
    expect(texts(run)).toEqual([
      ['one 40', 'one 41'],
      ['two 40', 'two 41'],
      ['three 40', 'three 41'],
      ['four 40', 'four 41'],
    ])
    expect(server.asked).toHaveLength(8)
    expect(server.asked[0]).toMatchObject({
      path: '/v1/chat/completions',
      headers: { authorization: `Bearer ${key}` },
      body: { model: 'big', temperature: 0.5, top_p: 0.8, max_tokens: 7, seed: 40 },
    })
    expect(server.asked[0]!.body).not.toHaveProperty('logprobs')
    expect(progress).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(run.rows('responses')[0].responses[0]).toEqual({ text: 'one 40', finished: true })
    for await (const fault of responses.validate(run.outputs.responses!)) throw new Error(fault.message)
    expect(run.logs.join('\n')).not.toContain(key)
  })

  it('asks equal greedy requests once, and sends no seed where none is wanted', async () => {
    const server = await ChatServer.listen(echo)
    const run = await ask(server, { candidates: 3, temperature: 0 }, { send_seed: false, api_key_env: '' })
    expect(server.asked).toHaveLength(4)
    expect(texts(run)[1]).toEqual(['About two', 'About two', 'About two'])
    expect(server.asked[0]!.body).not.toHaveProperty('seed')
    expect(server.asked[0]!.headers.authorization).not.toContain(key)
  })

  it('knows an answer that was cut', async () => {
    const server = await ChatServer.listen((response) =>
      reply(response, 'On and', { finish_reason: 'length' }),
    )
    const run = await ask(server)
    expect(run.rows('responses')[0].responses[0]).toEqual({ text: 'On and', finished: false })
  })

  it('falls back to the newer name of the longest length', async () => {
    const server = await ChatServer.listen((response, asked) => {
      if (asked.body.max_tokens === undefined) return reply(response, 'ok')
      const message = "Unsupported parameter: 'max_tokens'"
      refuse(response, 400, { message, param: 'max_tokens', code: 'unsupported_parameter' })
    })
    await ask(server, { max_new_tokens: 9 }, { concurrency: 1 })
    expect(server.asked.map(({ body }) => body.max_completion_tokens)).toEqual([undefined, 9, 9, 9, 9])
    // Also where several find out at a time.
    const run = await ask(server, { max_new_tokens: 9 })
    expect(texts(run).flat()).toEqual(['ok', 'ok', 'ok', 'ok'])
  })
})

describe('a server that fails now and then', () => {
  const busy: Behaviour = (response) =>
    refuse(response, 429, { message: 'Slow down' }, { 'retry-after-ms': '20' })
  const failures: Readonly<Record<string, Behaviour>> = {
    'too many requests': busy,
    'too many requests, in seconds': (response) =>
      refuse(response, 429, { message: 'Slow down' }, { 'retry-after': '0.02' }),
    'a failing server': (response) =>
      refuse(response, 503, { message: 'Overloaded' }, { 'retry-after-ms': '1' }),
    'half an answer': (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end('{"choices": [{"mess')
    },
    'an answer without choices': (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end('{"choices": []}')
    },
    'a page': (response) => {
      response.writeHead(200, { 'content-type': 'text/html' })
      response.end('<p>Hello')
    },
    'a dropped connection': (response) => {
      response.socket?.destroy()
    },
    'an answer that breaks off': (response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' })
      response.write('{"choices"')
      setImmediate(() => response.socket?.destroy())
    },
    silence: () => {},
    'an answer that never ends': (response) => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.write('{"choices"')
    },
  }

  it.each(Object.keys(failures))('is asked again: %s', async (name) => {
    const failed = new Set<string>()
    const server = await ChatServer.listen((response, asked, count) => {
      if (question(asked) === 'four' || failed.has(question(asked))) return echo(response, asked, count)
      failed.add(question(asked))
      return failures[name]!(response, asked, count)
    })
    const endless = name === 'silence' || name === 'an answer that never ends'
    const run = await ask(server, {}, { timeout_s: endless ? 1.5 : 60 })
    expect(texts(run).flat()).toEqual(['About one', 'About two', 'About three', 'About four'])
    expect(server.asked).toHaveLength(7)
    expect(run.logs.filter((line) => line.includes('trying again'))).toHaveLength(3)
  })

  it('ends the stage after the last attempt, and keeps what was answered', async () => {
    const checkpoint = temporaryFolder()
    let down = true
    const server = await ChatServer.listen((response, asked, count) => {
      if (down && question(asked) === 'three')
        return refuse(response, 500, { message: 'Oops' }, { 'retry-after-ms': '1' })
      return echo(response, asked, count)
    })
    const endpoint = { max_retries: 2, concurrency: 1 }
    expect(await failureOf(ask(server, {}, endpoint, { checkpoint }))).toMatchObject({
      code: 'endpoint-unavailable',
      message: expect.stringContaining('failed 3 times: 500 Oops'),
      retryable: true,
    })
    down = false
    const asked = server.asked.length
    const kept = readFileSync(join(checkpoint, 'answers.jsonl'), 'utf8').trimEnd().split('\n').length
    const run = await ask(server, {}, endpoint, { checkpoint })
    expect(texts(run).flat()).toEqual(['About one', 'About two', 'About three', 'About four'])
    expect(server.asked.length - asked).toBe(4 - kept)
    expect(kept).toBeGreaterThanOrEqual(2)
    expect(run.logs.join('\n')).toContain(`${kept} of 4 answers were kept`)
  })

  it('does not lose the answers before a line that a crash cut off', async () => {
    const checkpoint = temporaryFolder()
    const server = await ChatServer.listen(echo)
    await ask(server, {}, {}, { checkpoint })
    const file = join(checkpoint, 'answers.jsonl')
    const whole = readFileSync(file, 'utf8')
    writeFileSync(file, whole.slice(0, -12))
    for (const asked of [5, 5]) {
      const run = await ask(server, {}, {}, { checkpoint })
      expect(texts(run).flat()).toEqual(['About one', 'About two', 'About three', 'About four'])
      expect(server.asked).toHaveLength(asked)
    }
    // Another question is another request.
    await ask(server, { max_new_tokens: 3 }, {}, { checkpoint })
    expect(server.asked).toHaveLength(9)
  })

  it.each<[string, number, object, object]>([
    [
      'a wrong key',
      401,
      { message: 'Incorrect API key' },
      { code: 'endpoint-unauthorised', hint: expect.stringContaining('FLOW_TEST_CHAT_KEY') },
    ],
    ['an unknown model', 404, { message: 'No model big' }, { code: 'endpoint-unknown-model' }],
    [
      'a wrong request',
      400,
      { message: 'temperature is too high' },
      { code: 'endpoint-refused', message: expect.stringContaining('temperature is too high') },
    ],
    ['no quota', 429, { message: 'Pay', code: 'insufficient_quota' }, { code: 'endpoint-quota' }],
  ])('is not asked again: %s', async (_, status, error, failure) => {
    const server = await ChatServer.listen((response) => refuse(response, status, error))
    const found = await failureOf(ask(server, {}, { concurrency: 1 }))
    expect(found).toMatchObject(failure)
    expect(JSON.stringify(found)).not.toContain(key)
    expect(server.asked).toHaveLength(1)
  })

  it('is not waited for longer than minutes', async () => {
    const server = await ChatServer.listen((response) =>
      refuse(response, 429, { message: 'Tomorrow' }, { 'retry-after': '86400' }),
    )
    expect(await failureOf(ask(server))).toMatchObject({ code: 'endpoint-busy', retryable: true })
  })

  it('stops with the run', async () => {
    const cancelled = new AbortController()
    const server = await ChatServer.listen(() => cancelled.abort())
    await expect(ask(server, {}, {}, { signal: cancelled.signal })).rejects.toThrow(/abort/)
  })
})

describe('settings that cannot work', () => {
  it('are told before anything is asked', async () => {
    const server = await ChatServer.listen(echo)
    const failure = (params: object, endpoint: object = {}) => failureOf(ask(server, params, endpoint))
    expect(await failure({ top_k: 5 })).toMatchObject({ code: 'top-k-at-endpoint' })
    expect(await failure({}, { api_key_env: 'FLOW_TEST_NO_KEY' })).toMatchObject({
      code: 'secret-not-set',
      message: expect.stringContaining('FLOW_TEST_NO_KEY'),
    })
    expect(await failure({}, { base_url: 'http://me:secret@127.0.0.1/v1' })).toEqual(
      expect.objectContaining({ code: 'credentials-in-url', message: expect.not.stringContaining('secret') }),
    )
    expect(await failure({}, { base_url: 'http://' })).toMatchObject({ code: 'invalid-url' })
    expect(await failureOf(runStage(generate, { prompts: prompts() }))).toMatchObject({ code: 'no-model' })
    expect(server.asked).toHaveLength(0)
  })
})

describe('the pace', () => {
  const signal = new AbortController().signal
  const settings = { concurrency: 8, requestsPerMinute: 0, tokensPerMinute: 0 }

  it('has no more requests under way than allowed', async () => {
    let [running, most] = [0, 0]
    const server = await ChatServer.listen(async (response, asked, count) => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      await echo(response, asked, count)
    })
    await ask(server, { candidates: 4 }, { concurrency: 2 })
    expect(server.asked).toHaveLength(16)
    expect(most).toBeLessThanOrEqual(2)
  })

  it('lets requests begin no closer than the minute allows', async () => {
    const pace = new Pace({ ...settings, requestsPerMinute: 4, minuteMs: 200 })
    const began = await Promise.all(
      [1, 2, 3, 4].map(() => pace.turn(1, signal, async () => ({ tokens: performance.now() }))),
    )
    expect(began[3]!.tokens - began[0]!.tokens).toBeGreaterThan(140)
  })

  it('waits until the minute leaves room for a request, counting what each really took', async () => {
    const pace = new Pace({ ...settings, concurrency: 1, tokensPerMinute: 100, minuteMs: 100 })
    const began: number[] = []
    const request = (tokens: number) => async () => {
      began.push(performance.now())
      return { tokens }
    }
    // The first takes far less than was thought, so that the second fits; the third does not.
    await Promise.all([10, 80, 40].map((tokens) => pace.turn(60, signal, request(tokens))))
    expect(began[2]! - began[0]!).toBeGreaterThanOrEqual(95)
    expect(began[1]! - began[0]!).toBeLessThan(began[2]! - began[0]!)
  })

  it('holds everyone back while the server wants a pause', async () => {
    const pace = new Pace(settings)
    const start = performance.now()
    pace.pause(60)
    const began = await Promise.all(
      [1, 2].map(() => pace.turn(1, signal, async () => ({ tokens: performance.now() - start }))),
    )
    for (const { tokens } of began) expect(tokens).toBeGreaterThanOrEqual(55)
  })
})

describe('measuring through an endpoint', () => {
  it('evaluates answers, whose tokens nobody tells', async () => {
    const server = await ChatServer.listen((response, asked) =>
      reply(response, /2 plus 2/.test(question(asked)) ? 'Answer: 4' : 'Answer: 5'),
    )
    const questions = temporaryFile('questions.jsonl', [
      { prompt: 'What is 2 plus 2?', answer: '4' },
      { prompt: 'What is 3 plus 3?', answer: '6' },
    ])
    const run = await runStage(evaluate, { questions }, { endpoint: { base_url: server.url, model: 'big' } })
    const { values } = JSON.parse(run.text('metrics'))
    expect(values).toMatchObject({ exact_match: 0.5 })
    expect(values).not.toHaveProperty('mean_tokens')
  })

  it('compares two sets of replies', async () => {
    const server = await ChatServer.listen((response, asked) =>
      reply(response, `Verdict: ${/Reply A: good/.test(question(asked)) ? 'A' : 'B'}`),
    )
    const set = (text: string) => temporaryFile('replies.jsonl', [{ prompt: 'Hi', responses: [{ text }] }])
    const run = await runStage(
      winRate,
      { a: set('good'), b: set('bad') },
      { endpoint: { base_url: server.url, model: 'big' } },
    )
    expect(JSON.parse(run.text('metrics')).values).toMatchObject({ win_rate: 1, agreement: 1 })
  })

  it('continues a conversation', async () => {
    const server = await ChatServer.listen((response, asked) =>
      reply(response, `${asked.body.messages.length}`),
    )
    const questions = temporaryFile('questions.jsonl', [{ turns: ['Hi', 'And now?'] }])
    const run = await runStage(converse, { questions }, { endpoint: { base_url: server.url, model: 'big' } })
    expect(texts(run)).toEqual([['1'], ['3']])
  })
})

describe('judge through an endpoint', () => {
  const rows = [
    { prompt: 'What is 2 plus 2?', responses: [{ text: '4' }, { text: '5', finished: true }, { text: '4' }] },
  ]
  const run = (server: ChatServer, params: object = {}) =>
    runStage(
      judge,
      { responses: temporaryFile('responses.jsonl', rows) },
      { ...params, endpoint: { base_url: server.url, model: 'big' } },
    )
  const verdict: Behaviour = (response, asked) =>
    reply(
      response,
      /Reply: 4/.test(question(asked)) ? 'Right.\nScore: 5' : `Wrong.\nScore: ${asked.body.seed}`,
    )

  it('scores replies without token ids, which clean takes', async () => {
    const server = await ChatServer.listen(verdict)
    const judged = await run(server, { votes: 3, seed: 1 })
    const [row] = judged.rows('judged')
    expect(row.candidates).toMatchObject([
      { response: '4', score: 5, votes: [5, 5, 5] },
      { response: '5', score: 2, votes: [1, 2, 3], finished: true },
      { response: '4', score: 5 },
    ])
    expect(row.candidates[0]).not.toHaveProperty('token_ids')
    expect(server.asked).toHaveLength(6)
    const cleaned = await runStage(clean, { judged: judged.outputs.judged! })
    expect(cleaned.rows('preferences')).toMatchObject([
      { chosen: '4', rejected: '5', chosen_score: 5, rejected_score: 2 },
    ])
  })

  it('compares replies', async () => {
    // This one likes what it sees first, unless it sees 4.
    const server = await ChatServer.listen((response, asked) => {
      const text = question(asked)
      reply(response, `Verdict: ${/Reply B: 4/.test(text) && !/Reply A: 4/.test(text) ? 'B' : 'A'}`)
    })
    const judged = await run(server, { rubric: 'pairwise', votes: 1 })
    expect(judged.rows('full')[0].candidates.map(({ score }: { score: number }) => score)).toEqual([
      0.75, 0, 0.75,
    ])
    expect(server.asked).toHaveLength(2)
  })

  const token = (text: string, alternatives: Readonly<Record<string, number>> = {}) => ({
    token: text,
    bytes: [...Buffer.from(text)],
    logprob: 0,
    top_logprobs: Object.entries(alternatives).map(([each, p]) => ({ token: each, logprob: Math.log(p) })),
  })

  it.each([
    [
      'a token of its own',
      [token('Score'), token(':'), token(' '), token('4', { 4: 0.5, 2: 0.3, five: 0.1, 3: 0.1 })],
    ],
    [
      'glued to a space',
      [token('Score:'), token(' 4', { ' 4': 0.5, ' 2': 0.2, '2': 0.1, ' 3': 0.1, '\n': 0.1 })],
    ],
    [
      'after a character of several tokens',
      [
        { token: 'x', bytes: [0xf0, 0x9f], top_logprobs: [] },
        { token: 'y', bytes: [0x98, 0x80], top_logprobs: [] },
        token(' Score: '),
        token('4', { 4: 0.5, 2: 0.3, 3: 0.1 }),
      ],
    ],
    [
      'before the token that ended the answer',
      [token('Score: '), token('4', { 4: 0.5, 2: 0.3, 3: 0.1 }), token('<end>')],
    ],
  ])('weighs scores by the likely tokens: %s', async (_, content) => {
    const text = /after/.test(_) ? '\u{1F600} Score: 4' : 'Score: 4'
    const server = await ChatServer.listen((response) => reply(response, text, { logprobs: { content } }))
    const judged = await run(server, { score_from: 'logits', temperature: 0 })
    const [{ score, votes }] = judged.rows('full')[0].candidates
    expect(Math.abs(score - (4 * 0.5 + 2 * 0.3 + 3 * 0.1) / 0.9)).toBeLessThan(1e-12)
    expect(votes).toEqual([score])
    expect(server.asked[0]!.body).toMatchObject({ logprobs: true, top_logprobs: 20 })
    expect(server.asked).toHaveLength(2)
  })

  it('says so where the probabilities are not told, or tell nothing', async () => {
    const bare = await ChatServer.listen((response) => reply(response, 'Score: 4'))
    expect(await failureOf(run(bare, { score_from: 'logits' }))).toMatchObject({
      code: 'no-token-probabilities',
    })
    const split = await ChatServer.listen((response) =>
      reply(response, 'Score: 10', {
        logprobs: { content: [token('Score: '), token('1', { 1: 0.9 }), token('0')] },
      }),
    )
    expect(await failureOf(run(split, { score_from: 'logits', maximum: 10 }))).toMatchObject({
      code: 'verdict-not-one-token',
    })
    expect(split.asked).toHaveLength(0)
    const range = { minimum: 10, maximum: 15, score_from: 'logits' }
    expect(await failureOf(run(split, range))).toMatchObject({ code: 'verdict-not-one-token' })
  })

  it('cannot be given an opening', async () => {
    const server = await ChatServer.listen(verdict)
    expect(await failureOf(run(server, { opening: 'Score:' }))).toMatchObject({ code: 'opening-at-endpoint' })
  })
})
