"""TRL's DPOTrainer on the tiny Qwen2 checkpoint: every loss, every setting that changes it, ten optimiser steps each.

training/dpo.json              settings, the token ids of the first epoch's batches, and each run's log by column
training/dpo-rows.jsonl        the pairs in this project's format
training/dpo-held-out.jsonl    the pairs that the run `validated` is evaluated on
training/dpo-sigmoid/          the adapter after the last step

Runs with `micro` also hold what TRL logs of each micro-batch: its log is their plain mean, whatever their size.
"""

import tempfile
import warnings

from reference import write_json
from trainers import COMMON, TRAINING, assistant, policy, save_adapter, tokenizer, train, unpadded, user, write_rows

from datasets import Dataset
from trl import DPOConfig, DPOTrainer

SETTINGS = {
    'per_device_train_batch_size': 4, 'gradient_accumulation_steps': 1, 'num_train_epochs': 5, 'max_steps': -1,
    'learning_rate': 2e-3, 'lr_scheduler_type': 'linear', 'warmup_steps': 1, 'weight_decay': 0.01, 'max_grad_norm': 1.0,
    'max_length': 64, 'beta': 0.1,
}
ACCUMULATED = {'per_device_train_batch_size': 2, 'gradient_accumulation_steps': 2}
LOSSES = (
    'sigmoid', 'hinge', 'ipo', 'nca_pair', 'bco_pair', 'sppo_hard', 'aot', 'aot_unpaired', 'apo_zero', 'apo_down',
    'discopop', 'sft', 'sigmoid_norm',
)
RUNS = {
    **{name: {'loss_type': [name]} for name in LOSSES},
    'robust': {'loss_type': ['robust'], 'label_smoothing': 0.1},
    'exo_pair': {'loss_type': ['exo_pair'], 'label_smoothing': 0.1},
    'aot-smoothed': {'loss_type': ['aot'], 'label_smoothing': 0.1},
    # TRL does not look at label_smoothing here.
    'sigmoid-smoothed': {'loss_type': ['sigmoid'], 'label_smoothing': 0.1},
    'sigmoid-beta': {'loss_type': ['sigmoid'], 'beta': 0.3},
    'rpo': {'loss_type': ['sigmoid', 'sft'], 'loss_weights': [1.0, 0.5]},
    'mpo': {'loss_type': ['sigmoid', 'bco_pair', 'sft'], 'loss_weights': [0.8, 0.2, 1.0]},
    # These two grow with the exponential of the log ratio: small steps keep the losses away from 0.
    'forward_kl': {'loss_type': ['sigmoid'], 'f_divergence_type': 'forward_kl', 'learning_rate': 5e-4},
    'alpha_divergence': {
        'loss_type': ['hinge'], 'f_divergence_type': 'alpha_divergence', 'f_alpha_divergence_coef': 0.3, 'learning_rate': 5e-4,
    },
    'js_divergence': {'loss_type': ['ipo'], 'f_divergence_type': 'js_divergence'},
    'weighted': {'loss_type': ['sigmoid'], 'use_weighting': True},
    'length-desensitised': {'loss_type': ['sigmoid'], 'ld_alpha': 0.5},
    'accumulated': {'loss_type': ['sigmoid'], **ACCUMULATED},
    # Seven pairs: the second micro-batch has three.
    'rpo-uneven': {
        'loss_type': ['sigmoid', 'sft'], 'loss_weights': [1.0, 0.5], 'gradient_accumulation_steps': 2, 'max_steps': 1,
        'warmup_steps': 0,
    },
    'validated': {'loss_type': ['sigmoid'], 'eval_strategy': 'steps', 'eval_steps': 2, 'per_device_eval_batch_size': 4},
}
WITH_MICRO = ('accumulated', 'rpo-uneven')


class RecordedTrainer(DPOTrainer):
    """Keeps the token ids of each training micro-batch, and what TRL would log of it alone."""

    def compute_loss(self, model, inputs, *args, **kwargs):
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        if model.training:
            self.batches.append(self.describe(inputs))
            logged = {name: values[-1] for name, values in self._metrics['train'].items() if name != 'num_tokens'}
            self.micro.append({'loss': loss.item(), **logged})
        return loss

    def describe(self, inputs):
        rows = []
        for ids, mask, completion in zip(inputs['input_ids'], inputs['attention_mask'], inputs['completion_mask']):
            ids, completion = unpadded(ids, mask), unpadded(completion, mask)
            rows.append({'input_ids': ids, 'completion_start': completion.index(1)})
        half = len(rows) // 2
        return {'chosen': rows[:half], 'rejected': rows[half:]}


def pair(question, chosen, rejected):
    return {'prompt': user(question), 'chosen': assistant(chosen), 'rejected': assistant(rejected)}


def plus(a, b):
    return pair(f'What is {a} plus {b}?', f'{a}+{b}={a + b}. Answer: {a + b}.', f'Answer: {a + b + 10}')


def write_pairs(name, rows):
    write_rows(name, [
        {**row, 'chosen': row['chosen'][0]['content'], 'rejected': row['rejected'][0]['content']} for row in rows
    ])


def main():
    warnings.filterwarnings('ignore')
    rows = [plus(a, b) for a, b in [(47, 38), (12, 5), (63, 9), (20, 71), (8, 8), (35, 16), (90, 4)]]
    # The rejected side is cut at max_length.
    rows.append(pair('Write a short story.', 'A cat watched the rain.', 'No. ' * 12 + 'The assistant answers nothing at all.'))
    held_out = [plus(a, b) for a, b in [(51, 27), (6, 30)]] + [pair('Which word comes first: saw or glove?', 'glove', 'saw')]
    write_pairs('dpo-rows.jsonl', rows)
    write_pairs('dpo-held-out.jsonl', held_out)
    runs, batches = {}, None
    with tempfile.TemporaryDirectory() as scratch:
        for name, settings in RUNS.items():
            trainer = RecordedTrainer(
                model=policy(), processing_class=tokenizer(),
                args=DPOConfig(**{**COMMON, 'output_dir': scratch, **SETTINGS, **settings}),
                train_dataset=Dataset.from_list(rows[:7] if name == 'rpo-uneven' else rows),
                eval_dataset=Dataset.from_list(held_out) if name == 'validated' else None,
            )
            trainer.batches, trainer.micro = [], []
            log, evaluations = train(trainer)
            runs[name] = {'settings': settings, 'log': log}
            if evaluations:
                runs[name]['evaluations'] = evaluations
            if name in WITH_MICRO:
                runs[name]['micro'] = trainer.micro
            if name == 'sigmoid':
                save_adapter(trainer, TRAINING / 'dpo-sigmoid')
                batches = trainer.batches[:2]
                assert trainer.batches == 5 * batches
    write_json(TRAINING / 'dpo.json', {'settings': SETTINGS, 'batches': batches, 'runs': runs}, levels=4)


if __name__ == '__main__':
    main()
