"""Tiny random checkpoints of further families, saved by transformers, and what transformers and PEFT compute with them.

models/<name>         see `checkpoints`; norms and biases are drawn, too: a default of one or zero hides a missing term
adapters/<name>       LoRA r 2, alpha 4, all seven projections of the text model, B not zero
logits-families.json  per model, bare and with its adapter: logits of right-padded rows, longer than the sliding windows,
                      at some tokens; the gradient of the mean loss on those rows with respect to the adapter; greedy
                      continuations of twenty chat prompts, stopping nowhere; the same for the checkpoints of
                      make_models.py
rotary.json           rotary frequencies of configurations as they stand on the hub
"""

import json
import shutil

from make_models import continue_greedily, make_adapter, make_tokenizer, save_adapter
from reference import ADAPTERS, FIXTURES, MODELS, write_json

import torch
from peft import PeftModel
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    Gemma3Config,
    Gemma3ForCausalLM,
    Gemma3ForConditionalGeneration,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.models.gemma3.modeling_gemma3 import Gemma3RotaryEmbedding
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

SHAPE = {
    'vocab_size': 300, 'hidden_size': 32, 'intermediate_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 4,
    'num_key_value_heads': 2, 'max_position_embeddings': 128, 'tie_word_embeddings': True, 'dtype': 'float32',
}
# Layers 0 and 1 slide, 2 is full; the scale of attention is not that of the head size.
GEMMA = {
    **SHAPE, 'num_hidden_layers': 3, 'num_key_value_heads': 1, 'head_dim': 8, 'query_pre_attn_scalar': 16,
    'sliding_window': 6, 'layer_types': ['sliding_attention', 'sliding_attention', 'full_attention'],
    'rope_parameters': {
        'full_attention': {'rope_type': 'linear', 'rope_theta': 1000.0, 'factor': 4.0},
        'sliding_attention': {'rope_type': 'default', 'rope_theta': 100.0},
    },
}
SIGLIP = {
    'hidden_size': 8, 'intermediate_size': 8, 'num_hidden_layers': 1, 'num_attention_heads': 2, 'image_size': 8,
    'patch_size': 4,
}
PROJECTIONS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']
KEPT_TOKENS = list(range(0, 300, 15))
NEW_TOKENS = 16
SUBJECTS = [
    'rain', 'a cat', 'Paris', 'the alphabet', 'apples', 'an old clock', 'France', 'seven words', 'the mat', 'a short story',
    'glue', 'knives', 'a saw', 'the number 85', 'your day', 'an assistant', 'water', 'a user', 'the first word', 'the third day',
    'music', 'tea', 'the moon', 'a train', 'honey', 'stones', 'the sea', 'a letter', 'winter', 'a garden',
]
QUESTIONS = ['What is {}?', 'Write about {}.', 'Which word comes after {}?', 'Tell the user of {}!', 'Is {} of any use?']


def checkpoints(ids):
    """Name, model, and where its text model lies among the modules."""
    yield 'llama3', LlamaForCausalLM(LlamaConfig(
        **{**SHAPE, 'num_attention_heads': 2, 'num_key_value_heads': 1}, **ids, rms_norm_eps=1e-5,
        # Heads of 16: frequencies that are kept, blended and divided.
        rope_parameters={
            'rope_type': 'llama3', 'rope_theta': 10000.0, 'factor': 8.0, 'low_freq_factor': 1.0, 'high_freq_factor': 4.0,
            'original_max_position_embeddings': 32,
        },
    )), 'model'
    yield 'llama-biased', LlamaForCausalLM(LlamaConfig(
        **{**SHAPE, 'num_hidden_layers': 1, 'intermediate_size': 16}, **ids, attention_bias=True, mlp_bias=True,
        rope_parameters={'rope_type': 'linear', 'rope_theta': 10000.0, 'factor': 2.0},
    )), 'model'
    yield 'mistral', MistralForCausalLM(MistralConfig(
        **{**SHAPE, 'intermediate_size': 24}, **ids, head_dim=12, sliding_window=7,
    )), 'model'
    yield 'qwen3', Qwen3ForCausalLM(Qwen3Config(**SHAPE, **ids, head_dim=12)), 'model'
    yield 'gemma3-text', Gemma3ForCausalLM(Gemma3TextConfig(**GEMMA, **ids)), 'model'
    yield 'gemma3', Gemma3ForConditionalGeneration(Gemma3Config(
        text_config={**GEMMA, **ids, 'sliding_window': 9}, vision_config={**SIGLIP, 'vision_use_head': False},
        mm_tokens_per_image=1, image_token_index=5, boi_token_index=3, eoi_token_index=4, **ids,
    )), 'model.language_model'
    rope = {'rope_type': 'default', 'rope_theta': 1000.0, 'mrope_section': [2, 1, 1]}
    tokens = {'image_token_id': 3, 'video_token_id': 4, 'vision_start_token_id': 5, 'vision_end_token_id': 6}
    vision = {'depth': 1, 'num_heads': 1, 'patch_size': 2, 'in_channels': 1, 'temporal_patch_size': 1, 'spatial_merge_size': 1}
    text = {key: value for key, value in SHAPE.items() if key != 'tie_word_embeddings'}
    yield 'qwen2-vl', Qwen2VLForConditionalGeneration(Qwen2VLConfig(
        text_config={**text, **ids, 'rope_parameters': rope}, vision_config={**vision, 'embed_dim': 8, 'hidden_size': 32, 'mlp_ratio': 1},
        tie_word_embeddings=True, **tokens, **ids,
    )), 'model.language_model'
    yield 'qwen2.5-vl', Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(
        # The second layer slides.
        text_config={
            **text, **ids, 'intermediate_size': 24, 'rope_parameters': rope, 'use_sliding_window': True, 'sliding_window': 8,
            'max_window_layers': 1,
        },
        vision_config={
            **vision, 'hidden_size': 8, 'intermediate_size': 8, 'out_hidden_size': 32, 'window_size': 4,
            'fullatt_block_indexes': [0],
        },
        tie_word_embeddings=False, **tokens, **ids,
    )), 'model.language_model'


def randomise(model, seed):
    """As in make_models.py; Gemma's norms store the distance from one."""
    generator = torch.Generator().manual_seed(seed)
    around = 0.0 if 'Gemma' in type(model).__name__ else 1.0
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if 'norm' in name and name.endswith('weight'):
                weight.copy_(around + 0.2 * noise)
            else:
                weight.copy_((0.3 if name.endswith('bias') else 0.25) * noise)
    return model.eval()


def load(folder):
    """In float32, on the kernels that transformers takes by default."""
    kind = json.loads((folder / 'config.json').read_text())['model_type']
    auto = AutoModelForImageTextToText if kind in ('gemma3', 'qwen2_vl', 'qwen2_5_vl') else AutoModelForCausalLM
    return auto.from_pretrained(folder, dtype=torch.float32).eval()


def batch_of(rows):
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return ids, torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])


def logits_of(model, rows):
    ids, mask = batch_of(rows)
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
    return [
        [[round(x, 5) for x in position] for position in logits[index, : len(row), KEPT_TOKENS].tolist()]
        for index, row in enumerate(rows)
    ]


def gradient_of(model, rows):
    """Of the mean negative log-likelihood of every token but the first, with respect to the adapter."""
    ids, mask = batch_of(rows)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_('lora_' in name)
    logps = model(input_ids=ids, attention_mask=mask).logits.float()[:, :-1].log_softmax(-1)
    taken = logps.gather(-1, ids[:, 1:, None])[..., 0] * mask[:, 1:]
    loss = -taken.sum() / mask[:, 1:].sum()
    loss.backward()
    gradients = {
        name.replace('.default', ''): parameter.grad for name, parameter in model.named_parameters() if parameter.requires_grad
    }
    return {
        'loss': loss,
        'grad_norm': torch.stack([gradient.norm() for gradient in gradients.values()]).norm(),
        # Of each matrix its norm and its first and last value.
        'matrices': {
            name: [gradient.norm(), gradient.flatten()[0], gradient.flatten()[-1]] for name, gradient in gradients.items()
        },
    }


def answers(model, prompts):
    """The first twenty prompts without a decision too close to be a fixture."""
    result = []
    for index, prompt in enumerate(prompts):
        continuation, margin = continue_greedily(model, prompt, NEW_TOKENS)
        if margin < 2e-3:
            continue
        result.append({'prompt': index, 'continuation': continuation, 'smallest_margin': round(margin, 5)})
        if len(result) == 20:
            break
    assert len(result) == 20, 'too few prompts with clear decisions'
    cached = model.generate(
        input_ids=torch.tensor([prompts[result[0]['prompt']]]), max_new_tokens=NEW_TOKENS, do_sample=False,
        eos_token_id=None, pad_token_id=0,
    )[0].tolist()
    assert cached[-NEW_TOKENS:] == result[0]['continuation'], 'decoding with and without a cache disagree'
    return result


def describe(folder, adapter, rows, prompts):
    bare = load(folder)
    adapted = PeftModel.from_pretrained(load(folder), adapter).eval()
    return {
        'logits': logits_of(bare, rows),
        'adapted_logits': logits_of(adapted, rows),
        'gradient': gradient_of(adapted, rows),
        'greedy': answers(bare, prompts),
    }


# Fields as published checkpoints have them, old style and new.
PUBLISHED = {
    'Llama 2': {'model_type': 'llama', 'hidden_size': 4096, 'num_attention_heads': 32, 'max_position_embeddings': 4096},
    'Llama 3.2': {
        'model_type': 'llama', 'hidden_size': 2048, 'num_attention_heads': 32, 'num_key_value_heads': 8, 'head_dim': 64,
        'max_position_embeddings': 131072, 'rope_theta': 500000.0,
        'rope_scaling': {
            'factor': 32.0, 'high_freq_factor': 4.0, 'low_freq_factor': 1.0, 'original_max_position_embeddings': 8192,
            'rope_type': 'llama3',
        },
    },
    'linear, by its old name': {
        'model_type': 'llama', 'hidden_size': 512, 'num_attention_heads': 8, 'rope_scaling': {'type': 'linear', 'factor': 4.0},
    },
    'Qwen2.5': {
        'model_type': 'qwen2', 'hidden_size': 896, 'num_attention_heads': 14, 'num_key_value_heads': 2,
        'max_position_embeddings': 32768, 'rope_theta': 1000000.0, 'use_sliding_window': False,
    },
    'Qwen3, parameters of transformers 5': {
        'model_type': 'qwen3', 'hidden_size': 1024, 'num_attention_heads': 16, 'num_key_value_heads': 8, 'head_dim': 128,
        'rope_parameters': {'rope_type': 'default', 'rope_theta': 1000000.0},
    },
    'Mistral': {
        'model_type': 'mistral', 'hidden_size': 4096, 'num_attention_heads': 32, 'num_key_value_heads': 8,
        'rope_theta': 10000.0, 'sliding_window': 4096,
    },
    'Gemma 3 1B': {
        'model_type': 'gemma3_text', 'hidden_size': 1152, 'num_attention_heads': 4, 'num_key_value_heads': 1, 'head_dim': 256,
        'rope_local_base_freq': 10000, 'rope_scaling': None, 'rope_theta': 1000000, 'sliding_window': 512,
        'sliding_window_pattern': 6,
    },
    'Gemma 3 4B, its text_config': {
        'model_type': 'gemma3_text', 'hidden_size': 2560, 'rope_scaling': {'factor': 8.0, 'rope_type': 'linear'},
        'sliding_window': 1024,
    },
    'Gemma 3, parameters of transformers 5': {
        'model_type': 'gemma3_text', 'hidden_size': 640, 'num_attention_heads': 4, 'head_dim': 256,
        'rope_parameters': {
            'full_attention': {'rope_type': 'linear', 'factor': 8.0, 'rope_theta': 1000000.0},
            'sliding_attention': {'rope_type': 'default', 'rope_theta': 20000.0},
        },
    },
}
CONFIGS = {
    'llama': LlamaConfig, 'qwen2': Qwen2Config, 'qwen3': Qwen3Config, 'mistral': MistralConfig, 'gemma3_text': Gemma3TextConfig,
}
COMMON = {'num_hidden_layers': 8, 'intermediate_size': 64, 'vocab_size': 300}


def rotary(fields):
    """Frequencies of each kind of attention, and the kinds of the layers."""
    config = CONFIGS[fields['model_type']](**{key: value for key, value in fields.items() if key != 'model_type'})
    if fields['model_type'] == 'gemma3_text':
        embedding = Gemma3RotaryEmbedding(config)
        full, sliding = embedding.full_attention_inv_freq, embedding.sliding_attention_inv_freq
    else:
        full = sliding = LlamaRotaryEmbedding(config).inv_freq
    kinds = getattr(config, 'layer_types', None)
    if kinds is None:
        kinds = ['sliding_attention' if getattr(config, 'sliding_window', None) else 'full_attention'] * config.num_hidden_layers
    return {'full': full, 'sliding': sliding, 'kinds': [kind.split('_')[0] for kind in kinds]}


def main():
    tokenizer = make_tokenizer()
    ids = {'bos_token_id': None, 'eos_token_id': tokenizer.eos_token_id, 'pad_token_id': tokenizer.pad_token_id}
    rows = [
        tokenizer('Write a short story about a cat that sat on the mat and watched the rain')['input_ids'][:20],
        tokenizer('The capital of France is Paris, and of Spain?')['input_ids'][:13],
    ]
    assert [len(row) for row in rows] == [20, 13]
    texts = [QUESTIONS[index % len(QUESTIONS)].format(subject) for index, subject in enumerate(SUBJECTS)]
    prompts = [
        tokenizer.apply_chat_template([{'role': 'user', 'content': text}], add_generation_prompt=True)['input_ids']
        for text in texts
    ]
    results = {
        name: describe(MODELS / name, ADAPTERS / name, rows, prompts) for name in ('llama', 'llama-tied', 'qwen2')
    }
    for seed, (name, model, decoder) in enumerate(checkpoints(ids)):
        folder = MODELS / name
        shutil.rmtree(folder, ignore_errors=True)
        randomise(model, 400 + seed)
        model.generation_config.do_sample = False
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        # A vision tower has projections of the same names: there the targets are a pattern.
        targets = PROJECTIONS if decoder == 'model' else rf'{decoder}\.layers\.\d+\..*_proj'
        adapted = make_adapter(load(folder), 500 + seed, r=2, lora_alpha=4, target_modules=targets)
        save_adapter(adapted, ADAPTERS / name)
        results[name] = describe(folder, ADAPTERS / name, rows, prompts)
        print(name, f"smallest margin {min(answer['smallest_margin'] for answer in results[name]['greedy'])}", flush=True)
    write_json(FIXTURES / 'logits-families.json', {
        'input_ids': rows, 'tokens': KEPT_TOKENS, 'prompts': prompts, 'models': results,
    }, levels=4)
    write_json(FIXTURES / 'rotary.json', {
        name: {'config': {**COMMON, **fields}, **rotary({**COMMON, **fields})} for name, fields in PUBLISHED.items()
    }, digits=8, levels=2)


if __name__ == '__main__':
    main()
