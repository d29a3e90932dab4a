"""One training run of TRL, for workflows/compare-trl.yaml: python train.py SETTINGS.json

Settings: kind (sft | dpo), model, adapter, train, held_out, output, log, threads and `params`, which carry the
names of Flow's stages. Rows are this project's (`messages`; `prompt`, `chosen`, `rejected`), in the file's order. fp32, CPU,
AdamW, no dropout. The reference of DPO is the adapter as it enters.

Before the first update, every `eval_steps` updates and at the end the held-out rows are measured. TRL's own `eval_loss`
is a mean over batches; for a comparison both sides use the mean over all counted tokens (sft) or over all pairs (dpo).
"""

import json
import os
import sys
import warnings

os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')
os.environ.setdefault('HF_HUB_OFFLINE', '1')
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from peft import PeftModel  # noqa: E402
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, TrainerCallback  # noqa: E402
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer  # noqa: E402


def read_rows(path, kind):
    with open(path, encoding='utf-8') as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    if kind == 'sft':
        return [{'prompt': row['messages'][:-1], 'completion': row['messages'][-1:]} for row in rows]
    turns = lambda prompt: prompt if isinstance(prompt, list) else [{'role': 'user', 'content': prompt}]  # noqa: E731
    answer = lambda text: [{'role': 'assistant', 'content': text}]  # noqa: E731
    return [
        {'prompt': turns(row['prompt']), 'chosen': answer(row['chosen']), 'rejected': answer(row['rejected'])}
        for row in rows
    ]


def measure_tokens(trainer, batches):
    """Mean over all counted tokens."""
    total = counted = correct = 0.0
    for batch in batches:
        inputs = {name: batch[name] for name in ('input_ids', 'attention_mask')}
        logits = trainer.model(**inputs).logits[:, :-1].float()
        labels = batch['labels'][:, 1:]
        mask = labels != -100
        logps = logits[mask].log_softmax(-1).gather(-1, labels[mask][:, None])
        total -= logps.sum().item()
        correct += (logits[mask].argmax(-1) == labels[mask]).sum().item()
        counted += mask.sum().item()
    return {'eval_loss': total / counted, 'eval_mean_token_accuracy': correct / counted}


def measure_pairs(trainer, batches):
    """Mean over all pairs of what TRL itself computes for each batch."""
    names = ('rewards/chosen', 'rewards/rejected', 'rewards/accuracies', 'rewards/margins')
    sums, pairs = dict.fromkeys(('loss', *names), 0.0), 0
    for batch in batches:
        size = len(batch['input_ids']) // 2
        loss = trainer.compute_loss(trainer.model, batch)
        metrics = trainer._metrics['eval']
        sums['loss'] += loss.item() * size
        for name in names:
            sums[name] += metrics[name][-1] * size
        pairs += size
    trainer._metrics['eval'].clear()
    return {f'eval_{name}': value / pairs for name, value in sums.items()}


class Measuring(TrainerCallback):
    def __init__(self, settings, log):
        self.settings, self.log = settings, log

    def measure(self, state):
        trainer = self.trainer
        trainer.model.eval()
        batches = (trainer._prepare_inputs(batch) for batch in trainer.get_eval_dataloader())
        with torch.no_grad():
            values = (measure_tokens if self.settings['kind'] == 'sft' else measure_pairs)(trainer, batches)
        trainer.model.train()
        self.log.append({'step': state.global_step, **values})

    def on_train_begin(self, args, state, control, **kwargs):
        self.measure(state)

    def on_step_end(self, args, state, control, **kwargs):
        print(json.dumps({'step': state.global_step, 'total': state.max_steps}), flush=True)
        if state.global_step % self.settings['params']['eval_steps'] == 0 or state.global_step == state.max_steps:
            self.measure(state)


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        settings = json.load(file)
    warnings.filterwarnings('ignore')
    torch.set_num_threads(settings['threads'])
    kind, params = settings['kind'], settings['params']
    shared = {
        'output_dir': settings['output'], 'optim': 'adamw_torch', 'bf16': False, 'fp16': False, 'use_cpu': True,
        'gradient_checkpointing': False, 'logging_steps': 1, 'report_to': 'none', 'save_strategy': 'no',
        'disable_tqdm': True, 'dataloader_num_workers': 0, 'train_sampling_strategy': 'sequential',
        'per_device_train_batch_size': params['batch_size'], 'per_device_eval_batch_size': params['batch_size'],
        'gradient_accumulation_steps': params['gradient_accumulation_steps'], 'num_train_epochs': params['epochs'],
        'max_steps': params['max_steps'] or -1, 'learning_rate': params['learning_rate'],
        'lr_scheduler_type': params['lr_scheduler'], 'warmup_steps': params['warmup'],
        'weight_decay': params['weight_decay'], 'max_grad_norm': params['max_grad_norm'],
        'max_length': params['max_length'],
    }
    if kind == 'sft':
        trainer_class, config = SFTTrainer, SFTConfig(**shared, packing=False, shuffle_dataset=False, completion_only_loss=True)
    else:
        trainer_class, config = DPOTrainer, DPOConfig(**shared, beta=params['beta'], loss_type=[params['loss']])
    base = AutoModelForCausalLM.from_pretrained(settings['model'], dtype=torch.float32)
    log = []
    measuring = Measuring(settings, log)
    trainer = trainer_class(
        model=PeftModel.from_pretrained(base, settings['adapter'], is_trainable=True), args=config,
        processing_class=PreTrainedTokenizerFast.from_pretrained(settings['model']),
        train_dataset=Dataset.from_list(read_rows(settings['train'], kind)),
        eval_dataset=Dataset.from_list(read_rows(settings['held_out'], kind)), callbacks=[measuring],
    )
    measuring.trainer = trainer
    trainer.train()
    steps = [entry for entry in trainer.state.log_history if 'loss' in entry]
    with open(settings['log'], 'w', encoding='utf-8') as file:
        for entry in sorted([*log, *steps], key=lambda entry: (entry['step'], 'eval_loss' in entry)):
            file.write(json.dumps(entry) + '\n')
    trainer.model.save_pretrained(settings['output'], selected_adapters=['default'])


if __name__ == '__main__':
    main()
