"""PEFT adapters of every kind that is supported, the logits they give, and TRL's SFT of a DoRA and an rsLoRA adapter.

adapters/<model>-<kind>  the adapter, saved by PEFT
logits-adapters.json   per adapter: its model, and logits of one row at some tokens, also with dropout of a known mask
lora-modules.json        settings, and the modules that PEFT adapts with them, with rank and scale
training/sft-adapters.json  per run: settings and TRL's log as columns
training/sft-<kind>/     the adapter after the last step
"""

import json
import shutil
import tempfile
import warnings

from make_models import PROJECTIONS, make_adapter
from reference import ADAPTERS, FIXTURES, MODELS, write_json
from trainers import COMMON, TRAINING, tokenizer, train

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForCausalLM
from trl import SFTConfig, SFTTrainer

ROW = [84, 265, 271, 258, 115, 101, 99, 282, 260]
TOKENS = list(range(0, 300, 5))
KINDS = {
    'qwen2-dora': {'use_dora': True},
    'llama-dora-rslora': {'use_dora': True, 'use_rslora': True, 'r': 3, 'target_modules': ['v_proj', 'o_proj', 'down_proj']},
    'qwen2-regex': {'target_modules': r'(?P<path>model\.layers\.\d{,2})\.(self_attn\.[kv]_proj|mlp\.(?!gate|act)\w+)\Z'},
    'llama-all-linear': {'target_modules': 'all-linear', 'r': 2, 'lora_dropout': 0.1},
    'qwen2-patterns': {
        'target_modules': ['q_proj', 'mlp.up_proj', 'down_proj'], 'exclude_modules': r'.*\.1\.mlp\.up_proj',
        'rank_pattern': {r'layers\.1\.self_attn\.q_proj': 2, '^model.layers.0.mlp.down_proj': 6},
        'alpha_pattern': {'q_proj': 3, 'layers.1.*down_proj': 20}, 'use_rslora': True,
    },
    'llama-layers': {
        'target_modules': ['k_proj', 'self_attn.o_proj', 'up_proj'], 'layers_to_transform': [1], 'layers_pattern': 'layers',
        'exclude_modules': ['up_proj'],
    },
}


SELECTIONS = [
    {'target_modules': ['q_proj']},
    {'target_modules': ['q_proj', 'mlp.down_proj', 'layers.1.self_attn.k_proj']},
    {'target_modules': ['model.layers.0.mlp.up_proj', 'query']},
    {'target_modules': 'all-linear'},
    {'target_modules': 'ALL-LINEAR', 'exclude_modules': ['k_proj', 'layers.1.mlp.gate_proj']},
    {'target_modules': r'.*_proj', 'exclude_modules': r'.*\.(gate|up)_proj'},
    {'target_modules': r'model\.layers\.[^1-9]\.self_attn\.(?!o_)[a-z]_proj'},
    {'target_modules': r'model.layers.\d{1}.mlp.(?P<which>up|down)_proj'},
    {'target_modules': r'\Amodel\.layers\.\d{,3}\.\w+\.[]kq]_proj\Z'},
    {'target_modules': r'(?:.*\.)??v\_proj'},
    {'target_modules': r'(.*)(?<=self_attn\.)(o|v)_proj'},
    {'target_modules': r'.*[\x71k]_proj'},
    {'target_modules': ['q_proj', 'up_proj'], 'layers_to_transform': 1},
    {'target_modules': ['q_proj', 'up_proj'], 'layers_to_transform': [0, 7]},
    {'target_modules': ['q_proj'], 'layers_to_transform': [1], 'layers_pattern': ['blocks', 'lay.rs']},
    {'target_modules': ['q_proj', 'v_proj'], 'rank_pattern': {'q_proj': 3, 'layers.1.self_attn.q_proj': 5}},
    {'target_modules': ['q_proj', 'v_proj'], 'rank_pattern': {'layers.1.self_attn.q_proj': 5, 'q_proj': 3}},
    {'target_modules': ['q_proj', 'v_proj'], 'rank_pattern': {'proj': 3, 'self_attn.v': 5, '1.*v_proj': 2}},
    {'target_modules': ['q_proj', 'v_proj'], 'rank_pattern': {'^model.layers.0.*': 6}, 'alpha_pattern': {'v_proj|q_proj': 9}},
    {'target_modules': ['o_proj'], 'alpha_pattern': {r'layers\.[1]\..*': 5}, 'use_rslora': True},
]


def base(name):
    return AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32)


def move_magnitudes(adapted, seed):
    """PEFT starts DoRA's magnitudes at the norms of the weights it saw: elsewhere they show whether they count."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, vector in adapted.named_parameters():
            if 'magnitude' in name:
                vector.mul_(1 + 0.2 * torch.randn(vector.shape, generator=generator))


def save(adapted, folder, model):
    shutil.rmtree(folder, ignore_errors=True)
    adapted.peft_config['default'].base_model_name_or_path = f'../../models/{model}'
    adapted.save_pretrained(folder)
    (folder / 'README.md').unlink(missing_ok=True)
    # PEFT writes sets in the order of this process's hash seed.
    file = folder / 'adapter_config.json'
    config = json.loads(file.read_text())
    for name in ('target_modules', 'exclude_modules'):
        if isinstance(config[name], list):
            config[name].sort()
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + '\n')


class EveryFifth(torch.nn.Module):
    """Dropout whose mask is known: an input is left out where (7 row + 3 column) % 5 is 0."""

    def forward(self, x):
        rows, columns = torch.arange(x.shape[-2])[:, None], torch.arange(x.shape[-1])[None]
        return x * (((7 * rows + 3 * columns) % 5 != 0) / 0.8)


def with_known_dropout(adapted):
    for module in adapted.modules():
        if hasattr(module, 'lora_dropout'):
            module.lora_dropout['default'] = EveryFifth()
    return adapted.train()


def logits_of(model):
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ROW])).logits[0]
    return [[round(value, 6) for value in position] for position in logits[:, TOKENS].tolist()]


def kinds():
    results = {}
    for seed, (name, settings) in enumerate(KINDS.items()):
        model = name.split('-')[0]
        adapted = make_adapter(base(model), 400 + seed, **settings)
        move_magnitudes(adapted, 500 + seed)
        save(adapted, ADAPTERS / name, model)
        loaded = PeftModel.from_pretrained(base(model), ADAPTERS / name).eval()
        logits = logits_of(loaded)
        dropped = logits_of(with_known_dropout(PeftModel.from_pretrained(base(model), ADAPTERS / name)))
        merged = logits_of(loaded.merge_and_unload())
        assert max(abs(a - b) for one, other in zip(logits, merged) for a, b in zip(one, other)) < 2e-5
        results[name] = {'model': model, 'logits': logits, 'dropped': dropped}
    write_json(FIXTURES / 'logits-adapters.json', {'input_ids': ROW, 'tokens': TOKENS, 'adapters': results}, levels=4)


def selections():
    """Which modules PEFT adapts on the tiny Llama, with their rank and scale."""
    cases = []
    for settings in SELECTIONS:
        adapted = get_peft_model(base('llama'), LoraConfig(r=4, lora_alpha=8, task_type='CAUSAL_LM', **settings))
        modules = {
            name.removeprefix('base_model.model.'): [module.r['default'], module.scaling['default']]
            for name, module in adapted.named_modules() if hasattr(module, 'lora_A')
        }
        cases.append({'settings': settings, 'modules': modules})
    write_json(FIXTURES / 'lora-modules.json', cases, levels=1)


def training(scratch):
    """17 rows of training/sft-rows.jsonl in micro-batches of 2, 2 a step: 5 steps an epoch."""
    lines = (TRAINING / 'sft-rows.jsonl').read_text(encoding='utf-8').splitlines()
    messages = [json.loads(line)['messages'] for line in lines]
    rows = [{'prompt': each[:-1], 'completion': each[-1:]} for each in messages]
    runs = {}
    for name, learning_rate in {'qwen2-dora': 1e-2, 'qwen2-rslora': 5e-3}.items():
        settings = {
            'per_device_train_batch_size': 2, 'gradient_accumulation_steps': 2, 'num_train_epochs': 2, 'max_length': 64,
            'learning_rate': learning_rate, 'lr_scheduler_type': 'cosine', 'warmup_steps': 2, 'weight_decay': 0.05,
            'max_grad_norm': 1.0, 'completion_only_loss': True,
        }
        args = SFTConfig(**COMMON, output_dir=scratch, packing=False, shuffle_dataset=False, **settings)
        model = PeftModel.from_pretrained(base('qwen2'), ADAPTERS / name, is_trainable=True)
        trainer = SFTTrainer(model=model, processing_class=tokenizer(), args=args, train_dataset=Dataset.from_list(rows))
        log, _ = train(trainer)
        save(trainer.model, TRAINING / f'sft-{name}', 'qwen2')
        assert len(log['loss']) == 10
        runs[name] = {'settings': settings, 'log': log}
    write_json(TRAINING / 'sft-adapters.json', runs, levels=4)


def main():
    warnings.filterwarnings('ignore')
    kinds()
    selections()
    with tempfile.TemporaryDirectory() as scratch:
        training(scratch)


if __name__ == '__main__':
    main()
