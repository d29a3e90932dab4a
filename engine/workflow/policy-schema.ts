/** @file How a node runs, as the workflow file says it: for one node, or for all of them under `defaults`. */
import { type Static, Type } from 'typebox'

const closed = { additionalProperties: false } as const

const NUMBER = '[0-9]{1,9}(\\.[0-9]{1,6})?'

/** Titles name the form in messages. */
const Duration = (description: string) =>
  Type.String({
    pattern: `^${NUMBER}(ms|s|m|h|d)$`,
    title: 'a duration such as `30s`, `5m` or `2h`',
    description,
  })

const Limit = (description: string) =>
  Type.String({
    pattern: `^(none|${NUMBER}(ms|s|m|h|d))$`,
    title: 'a duration such as `30s`, `5m` or `2h`, or `none`',
    description,
  })

const Size = (description: string) =>
  Type.String({
    pattern: `^${NUMBER}(B|kB|MB|GB|TB|KiB|MiB|GiB|TiB)$`,
    title: 'a size such as `512MiB` or `8GiB`',
    description,
  })

const Times = Type.Integer({ minimum: 0, maximum: 100, description: 'Attempts after the first one.' })

export const RetryDeclaration = Type.Object(
  {
    times: Times,
    delay: Type.Optional(Duration('Before the second attempt. Default: 5s.')),
    factor: Type.Optional(
      Type.Number({ minimum: 1, maximum: 100, description: 'By which each delay is longer. Default: 2.' }),
    ),
    max_delay: Type.Optional(Duration('No delay is longer than this. Default: 1m.')),
  },
  closed,
)

export const ResourcesDeclaration = Type.Object(
  {
    gpu: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 64,
        description: 'GPU devices that it holds. Default: one, where there is one and its stage can use it.',
      }),
    ),
    memory: Type.Optional(Size('Memory that is set aside for it.')),
    slots: Type.Optional(
      Type.Record(Type.String(), Type.Integer({ minimum: 0 }), {
        description: 'Named slots that it holds, of those that `slots` of the workflow declares.',
      }),
    ),
  },
  closed,
)

export const PolicyDeclaration = Type.Object({
  retry: Type.Optional(
    Type.Union([Times, RetryDeclaration], {
      description: 'How often it is tried again after a failure that may pass by itself.',
    }),
  ),
  timeout: Type.Optional(Limit('How long one attempt may take. Default: none.')),
  stall: Type.Optional(
    Limit('Without progress, output or processor time for this long, it is shown as stalled. Default: 2m.'),
  ),
  resources: Type.Optional(ResourcesDeclaration),
  env: Type.Optional(
    Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Boolean(), Type.Null()]), {
      description:
        'Environment variables that it is given; without a value, as they are when the workflow runs. Part of the cache key.',
    }),
  ),
})

/** The names under which policy stands in a node and in `defaults`. */
export const policyFields: readonly string[] = Object.keys(PolicyDeclaration.properties)

export type PolicyDeclaration = Static<typeof PolicyDeclaration>
