"""What the scripts that run TRL's trainers share: how a run starts, what it logs, where its rows and adapters go.

Every run: fp32 (within `double_precision`: fp64), CPU, adamw_torch, dropout 0, no shuffling, the tiny Qwen2 checkpoint
with adapters/qwen2. TRL's loop, sampler, collator, schedule and clipping run as they are.
"""

import contextlib
import io
import json
import shutil

from reference import ADAPTERS, FIXTURES, MODELS

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

TRAINING = FIXTURES / 'training'
COMMON = {
    'optim': 'adamw_torch', 'bf16': False, 'fp16': False, 'use_cpu': True, 'gradient_checkpointing': False,
    'logging_steps': 1, 'logging_nan_inf_filter': False, 'report_to': 'none', 'save_strategy': 'no', 'seed': 7,
    'disable_tqdm': True, 'dataloader_num_workers': 0, 'train_sampling_strategy': 'sequential',
}


def tokenizer():
    # Not AutoTokenizer: for this model type it builds a class of its own instead of reading tokenizer.json.
    return PreTrainedTokenizerFast.from_pretrained(MODELS / 'qwen2')


def policy(name='qwen2'):
    model = AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=torch.get_default_dtype())
    return PeftModel.from_pretrained(model, ADAPTERS / name, is_trainable=True)


def unpadded(values, mask):
    return [value for value, real in zip(values.tolist(), mask.tolist()) if real]


def train(trainer):
    """Trains; returns the log as columns, one number a step, and that of the evaluations likewise."""
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        trainer.train()
    history = trainer.state.log_history
    return (
        columns([entry for entry in history if 'loss' in entry]),
        columns([entry for entry in history if 'eval_loss' in entry]),
    )


def columns(entries):
    names = sorted({name for entry in entries for name in entry if not any(word in name for word in ('time', 'per_second'))})
    return {name: [entry.get(name) for entry in entries] for name in names}


def save_adapter(trainer, folder):
    """The adapter after the last step. Its settings are those of adapters/qwen2."""
    shutil.rmtree(folder, ignore_errors=True)
    trainer.model.save_pretrained(folder, selected_adapters=['default'])
    (folder / 'README.md').unlink(missing_ok=True)
    (folder / 'adapter_config.json').unlink()
    shutil.copy(ADAPTERS / 'qwen2' / 'adapter_config.json', folder)


def user(text):
    return [{'role': 'user', 'content': text}]


def assistant(text):
    return [{'role': 'assistant', 'content': text}]


def write_rows(name, rows):
    TRAINING.mkdir(parents=True, exist_ok=True)
    text = ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows)
    (TRAINING / name).write_text(text, encoding='utf-8')
