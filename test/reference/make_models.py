"""Tiny random checkpoints, their adapters, and what transformers and PEFT compute with them.

models/llama          Llama, grouped-query attention, own lm_head, fp32
models/llama-tied     Llama, tied embeddings, another rope base and norm epsilon, fp32
models/qwen2          Qwen2, attention bias, tied embeddings, fp32; with tokenizer and chat template
models/qwen2-sharded  qwen2 cast to bf16 and written as several shards with an index
adapters/<name>       PEFT LoRA, r 4, alpha 8, all seven projections, B not zero
adapters/qwen2-rslora the same with scale alpha / sqrt(r), attention only
logits.json           logits of right-padded rows, bare and with the adapter; greedy continuations
chat.json             conversations, as the chat template renders and the tokenizer numbers them

Everything is drawn from seeded generators, norms and biases included: a default of one or zero hides a missing term.
"""

import json
import shutil

from reference import ADAPTERS, FIXTURES, MODELS, write_json

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

VOCABULARY = 300
PROJECTIONS = ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']
# The pre-tokenizer and NFC that transformers builds for every Qwen2 checkpoint.
QWEN2_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEMPLATE = (
    '{% for message in messages %}'
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    '{% endfor %}'
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CORPUS = [
    'What is the capital of France? The capital of France is Paris.',
    'Which of the three words comes first in the alphabet? The first word is apple.',
    'What is 47 plus 38? Answer: 85. What is 12 minus 5? Answer: 7.',
    'The user asks and the assistant answers. user assistant system',
    'Write a short story about a cat that sat on the mat and watched the rain.',
]


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_SPLIT), behavior='isolated'),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=['<|endoftext|>', '<|im_start|>', '<|im_end|>'],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    ))
    assert tokenizer.get_vocab_size() == VOCABULARY
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token='<|im_end|>', pad_token='<|endoftext|>', model_max_length=128,
        clean_up_tokenization_spaces=False,
    )
    fast.chat_template = TEMPLATE
    return fast


def randomise(model, seed):
    """Weights wide enough that the tiny model's logits spread; norms around one; biases away from zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            noise = torch.randn(weight.shape, generator=generator)
            if 'norm' in name:
                weight.copy_(1 + 0.2 * noise)
            elif name.endswith('bias'):
                weight.copy_(0.3 * noise)
            else:
                weight.copy_(0.25 * noise)
    return model.eval()


def checkpoints(tokenizer):
    ids = {'bos_token_id': None, 'eos_token_id': tokenizer.eos_token_id, 'pad_token_id': tokenizer.pad_token_id}
    shape = {
        'vocab_size': VOCABULARY, 'hidden_size': 32, 'num_hidden_layers': 2, 'num_attention_heads': 4,
        'num_key_value_heads': 2, 'max_position_embeddings': 128, 'dtype': 'float32',
    }
    yield 'llama', LlamaForCausalLM(LlamaConfig(
        **shape, **ids, intermediate_size=48, rms_norm_eps=1e-5, tie_word_embeddings=False,
    ))
    yield 'llama-tied', LlamaForCausalLM(LlamaConfig(
        **shape, **ids, intermediate_size=64, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={'rope_type': 'default', 'rope_theta': 500.0},
    ))
    yield 'qwen2', Qwen2ForCausalLM(Qwen2Config(
        **shape, **ids, intermediate_size=64, rms_norm_eps=1e-6, tie_word_embeddings=True,
        rope_parameters={'rope_type': 'default', 'rope_theta': 10000.0},
    ))


def make_adapter(base, seed, **overrides):
    settings = {'r': 4, 'lora_alpha': 8, 'target_modules': PROJECTIONS, 'lora_dropout': 0.0, 'task_type': 'CAUSAL_LM'}
    adapted = get_peft_model(base, LoraConfig(**{**settings, **overrides}))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if 'lora_A' in name:
                weight.copy_((2 * torch.rand(weight.shape, generator=generator) - 1) / weight.shape[1] ** 0.5)
            elif 'lora_B' in name:
                weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
    return adapted.eval()


def save_adapter(adapted, folder):
    shutil.rmtree(folder, ignore_errors=True)
    for config in adapted.peft_config.values():
        config.base_model_name_or_path = f'../../models/{folder.name.split("-rslora")[0]}'
    adapted.save_pretrained(folder)
    (folder / 'README.md').unlink(missing_ok=True)
    # PEFT writes a set in the order of this process's hash seed.
    config_file = folder / 'adapter_config.json'
    config = json.loads(config_file.read_text())
    if isinstance(config['target_modules'], list):
        config['target_modules'].sort()
    config_file.write_text(json.dumps(config, indent=2, sort_keys=True) + '\n')


def logits_of(model, rows):
    """Right-padded rows, one batch; the logits at real positions only."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    with torch.no_grad():
        logits = model(input_ids=ids, attention_mask=mask).logits.float()
    return [logits[index, : len(row)].tolist() for index, row in enumerate(rows)]


def continue_greedily(model, prompt, length):
    """By full recomputation, without a cache; stops nowhere. The margin is that of the closest decision."""
    ids, margin = list(prompt), float('inf')
    with torch.no_grad():
        for _ in range(length):
            top = model(input_ids=torch.tensor([ids])).logits[0, -1].topk(2)
            margin = min(margin, (top.values[0] - top.values[1]).item())
            ids.append(top.indices[0].item())
    return ids[len(prompt):], margin


def greedy(model, prompt, length):
    continuation, margin = continue_greedily(model, prompt, length)
    cached = model.generate(
        input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=length, do_sample=False, eos_token_id=None, pad_token_id=0,
    )[0].tolist()
    assert cached[len(prompt):] == continuation, 'greedy decoding with and without a cache disagree'
    assert margin > 1e-3, f'a greedy decision is too close to be a fixture: {margin}'
    return {'prompt': list(prompt), 'continuation': continuation, 'smallest_margin': margin}


def describe(model, rows, prompts):
    return {
        'logits': [[[round(x, 6) for x in position] for position in row] for row in logits_of(model, rows)],
        'greedy': [greedy(model, prompt, 16) for prompt in prompts],
    }


CONVERSATIONS = [
    [{'role': 'user', 'content': 'What is 47 plus 38?'}],
    [
        {'role': 'system', 'content': 'You are a short-spoken assistant.'},
        {'role': 'user', 'content': 'Which word comes first:  saw, glove or knife?'},
        {'role': 'assistant', 'content': 'glove'},
        {'role': 'user', 'content': "And last?\nDon't explain."},
    ],
    [{'role': 'user', 'content': 'Caf\u00e9 \u2014 na\u00efve \U0001f600 \u6f22\u5b57 e\u0301?'}],
    [{'role': 'user', 'content': ''}, {'role': 'assistant', 'content': ' leading space, trailing newline\n'}],
]


def main():
    tokenizer = make_tokenizer()
    rows = [
        tokenizer('What is the capital of it?')['input_ids'][:9],
        tokenizer('The cat sat')['input_ids'][:6],
    ]
    assert len(rows[0]) == 9 and len(rows[1]) < 9, [len(row) for row in rows]
    prompts = [
        tokenizer.apply_chat_template([{'role': 'user', 'content': text}], add_generation_prompt=True)['input_ids']
        for text in ('What is 12 minus 5?', 'Write a story about rain.')
    ] + [tokenizer('The first word')['input_ids']]

    results = {}
    for seed, (name, model) in enumerate(checkpoints(tokenizer)):
        folder = MODELS / name
        shutil.rmtree(folder, ignore_errors=True)
        randomise(model, 100 + seed)
        model.generation_config.do_sample = False
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        results[name] = describe(AutoModelForCausalLM.from_pretrained(folder), rows, prompts)
        adapted = make_adapter(AutoModelForCausalLM.from_pretrained(folder), 200 + seed)
        save_adapter(adapted, ADAPTERS / name)
        loaded = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(folder), ADAPTERS / name).eval()
        results[f'{name}+adapter'] = describe(loaded, rows, prompts)
        if name == 'qwen2':
            rslora = make_adapter(
                AutoModelForCausalLM.from_pretrained(folder), 300, use_rslora=True, r=8,
                target_modules=['q_proj', 'k_proj', 'v_proj', 'o_proj'],
            )
            save_adapter(rslora, ADAPTERS / 'qwen2-rslora')
            results['qwen2+rslora'] = describe(rslora, rows, prompts)
            sharded = MODELS / 'qwen2-sharded'
            shutil.rmtree(sharded, ignore_errors=True)
            half = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
            half.save_pretrained(sharded, max_shard_size='24KB')
            tokenizer.save_pretrained(sharded)
            # bf16 weights, fp32 arithmetic: the only combination that does not depend on the kernel.
            results['qwen2-sharded'] = describe(
                AutoModelForCausalLM.from_pretrained(sharded, dtype=torch.float32).eval(), rows, prompts
            )

    write_json(FIXTURES / 'logits.json', {'input_ids': rows, 'models': results}, levels=4)
    write_json(FIXTURES / 'chat.json', [
        {
            'messages': messages,
            'add_generation_prompt': generation,
            'text': tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=generation),
            'ids': tokenizer.apply_chat_template(messages, add_generation_prompt=generation)['input_ids'],
        }
        for messages in CONVERSATIONS for generation in (True, False)
    ], levels=1)


if __name__ == '__main__':
    main()
