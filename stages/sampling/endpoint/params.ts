/** @file Parameters of a model that is served elsewhere, behind OpenAI's chat completions protocol. */
import { type Static, Type } from 'flow/stage'

const endpoint = Type.Object(
  {
    base_url: Type.String({
      pattern: '^https?://',
      description: 'Address up to and with the version: http://localhost:8000/v1',
    }),
    model: Type.String({ minLength: 1, description: "The model's name there" }),
    api_key_env: Type.String({
      default: '',
      pattern: '^([A-Za-z_][A-Za-z0-9_]*)?$',
      description: 'Name of the environment variable that holds the key; none: no key is sent',
    }),
    requests_per_minute: Type.Number({ minimum: 0, default: 0, description: '0: as many as go' }),
    tokens_per_minute: Type.Number({
      minimum: 0,
      default: 0,
      description: 'Of prompts and answers; 0: as many as go',
    }),
    concurrency: Type.Integer({ minimum: 1, default: 8, description: 'Requests under way at a time' }),
    timeout_s: Type.Number({ exclusiveMinimum: 0, default: 120, description: 'For one answer' }),
    max_retries: Type.Integer({
      minimum: 0,
      default: 6,
      description: 'Further attempts after a busy or failing server, each after a longer wait',
    }),
    send_seed: Type.Boolean({ default: true, description: 'Off for servers that refuse a seed' }),
  },
  { description: 'Asks a served model in place of the loaded one' },
)

export type EndpointParams = Static<typeof endpoint>

/** `endpoint` of a stage's parameters. */
export const endpointParam = Type.Optional(endpoint)

/** How it is asked does not change what is asked. */
export const endpointCosmetics = [
  'endpoint.api_key_env',
  'endpoint.requests_per_minute',
  'endpoint.tokens_per_minute',
  'endpoint.concurrency',
  'endpoint.timeout_s',
  'endpoint.max_retries',
] as const

export const endpointSecrets = ['endpoint.api_key_env'] as const
