"""The peer of test/bench/works/stage.ts: TRL's trainer on the same rows, with what it logs by default and nothing more.

Gradients are not recomputed (TRL's default), which is faster; there is no evaluation and nothing is saved.
"""

import pathlib
import sys
import time

from measure import read_settings, report

import peft
import torch
import transformers
import trl
from datasets import Dataset

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / 'compare'))

from train import read_rows  # noqa: E402


def counting(collate, counts):
    """What the trainer computes on: real tokens, and places, padding included. It also trains pairs of which nothing is left."""

    def collated(rows):
        batch = collate(rows)
        counts['places'] += batch['input_ids'].numel()
        counts['tokens'] += int(batch['attention_mask'].sum())
        return batch

    return collated


def main():
    settings = read_settings()
    torch.set_num_threads(settings['threads'])
    params, bf16 = settings['params'], settings.get('bf16', False)
    shared = {
        'output_dir': '/tmp', 'use_cpu': True, 'bf16': bf16, 'fp16': False, 'gradient_checkpointing': False,
        'report_to': 'none', 'save_strategy': 'no', 'disable_tqdm': True, 'max_length': params['max_length'],
        'per_device_train_batch_size': params['batch_size'], 'num_train_epochs': params['epochs'],
        'learning_rate': params['learning_rate'],
    }
    if settings['stage'] == 'sft':
        trainer_class, config = trl.SFTTrainer, trl.SFTConfig(**shared, completion_only_loss=True)
    else:
        trainer_class, config = trl.DPOTrainer, trl.DPOConfig(**shared, precompute_ref_log_probs=False)
    rank = params['lora']['r']
    lora = peft.LoraConfig(r=rank, lora_alpha=params['lora']['alpha'], target_modules='all-linear', task_type='CAUSAL_LM')
    trainer = trainer_class(
        model=transformers.AutoModelForCausalLM.from_pretrained(settings['model'], dtype=torch.float32),
        args=config,
        processing_class=transformers.AutoTokenizer.from_pretrained(settings['model']),
        train_dataset=Dataset.from_list(read_rows(settings['rows'], settings['stage'])),
        peft_config=lora,
    )
    counts = {'places': 0, 'tokens': 0}
    trainer.data_collator = counting(trainer.data_collator, counts)
    start = time.perf_counter()
    result = trainer.train()
    seconds = time.perf_counter() - start
    report(
        {
            'training, s': seconds,
            'real tokens/s': counts['tokens'] / seconds,
            'padding, %': 100 * (1 - counts['tokens'] / counts['places']),
            'mean loss': result.training_loss,
        },
        versions={'TRL': trl.__version__, 'PEFT': peft.__version__, 'PyTorch': torch.__version__},
    )


if __name__ == '__main__':
    main()
