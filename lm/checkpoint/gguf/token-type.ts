/** @file What kind of token each is, as `tokenizer.ggml.token_type` numbers it. */
export const TokenType = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const
