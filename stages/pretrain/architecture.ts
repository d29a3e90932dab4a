/** @file The decoder that `pretrain` trains, as a `config.json`: a small Qwen2 with tied embeddings. */
export interface Size {
  readonly layers: number
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly heads: number
  readonly kv_heads: number
  /** Positions. */
  readonly context: number
}

export function architecture(size: Size, vocabularySize: number): Record<string, unknown> {
  return {
    architectures: ['Qwen2ForCausalLM'],
    model_type: 'qwen2',
    vocab_size: vocabularySize,
    hidden_size: size.hidden_size,
    num_hidden_layers: size.layers,
    num_attention_heads: size.heads,
    num_key_value_heads: size.kv_heads,
    head_dim: size.hidden_size / size.heads,
    intermediate_size: size.intermediate_size,
    hidden_act: 'silu',
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    tie_word_embeddings: true,
    max_position_embeddings: size.context,
    use_sliding_window: false,
    attention_dropout: 0,
    initializer_range: 0.02,
    torch_dtype: 'float32',
  }
}
