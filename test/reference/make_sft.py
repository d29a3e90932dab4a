"""TRL's supervised fine-tuning on the tiny Qwen2 checkpoint, 20 updates a run: what each step saw and logged.

training/sft-rows.jsonl, sft-more-rows.jsonl  the rows, in this project's format; `sft-turns.jsonl`: several turns each
training/sft-held-out.jsonl                   rows that `validated` measures, in one batch; `by_twos`: in batches of two
training/sft.json   `rows`: token ids and labels as TRL made them, no labels where it dropped the row; `turns` likewise;
                    `runs`: settings, TRL's log as columns, each step's micro-batches' own means, and `exact`: loss
                    and gradient norm of the same run in float64; `families`: five updates of each
training/sft-<run>/ the adapter after the last step
sft-packing.json    which rows `pack_dataset` puts together, and which `interleave_datasets` takes in turn
"""

import contextlib
import io
import tempfile
import warnings

from double_precision import double_precision
from reference import FIXTURES, write_json
from trainers import COMMON, TRAINING, assistant, policy, save_adapter, tokenizer, train, unpadded, user, write_rows

import numpy as np
from datasets import Dataset, interleave_datasets
from transformers import EarlyStoppingCallback
from trl import SFTConfig, SFTTrainer, pack_dataset

SETTINGS = {
    'per_device_train_batch_size': 2, 'gradient_accumulation_steps': 2, 'num_train_epochs': 2, 'max_steps': -1,
    'max_length': 64, 'learning_rate': 2e-2, 'lr_scheduler_type': 'linear', 'warmup_steps': 0, 'weight_decay': 0.01,
    'max_grad_norm': 1.0, 'completion_only_loss': True,
}
RUNS = {
    'completion-only': {'lr_scheduler_type': 'cosine', 'warmup_steps': 3},
    'whole-sequence': {
        'completion_only_loss': False, 'per_device_train_batch_size': 3, 'num_train_epochs': 3, 'max_steps': 20,
        'learning_rate': 1e-2, 'warmup_steps': 0.1, 'weight_decay': 0.0,
    },
    'constant-rate': {
        'lr_scheduler_type': 'constant_with_warmup', 'warmup_steps': 2, 'weight_decay': 0.1, 'max_grad_norm': 0.3,
        'per_device_train_batch_size': 4, 'gradient_accumulation_steps': 1,
    },
    'minimum-rate': {
        'lr_scheduler_type': 'cosine_with_min_lr', 'lr_scheduler_kwargs': {'min_lr_rate': 0.1}, 'max_grad_norm': 0.0,
        'per_device_train_batch_size': 1, 'gradient_accumulation_steps': 4,
    },
    'dft': {'loss_type': 'dft', 'learning_rate': 5e-3},
    'assistant-only': {'assistant_only_loss': True, 'completion_only_loss': False, 'num_train_epochs': 4},
    # The held-out loss falls too slowly at step 6, is its lowest there, and rises: patience ends the run at step 10.
    'validated': {'lr_scheduler_type': 'constant'},
}
VALIDATION = {
    'eval_strategy': 'steps', 'eval_steps': 2, 'eval_on_start': True, 'per_device_eval_batch_size': 8,
    'save_strategy': 'steps', 'save_steps': 2, 'load_best_model_at_end': True, 'metric_for_best_model': 'eval_loss',
}
PATIENCE, THRESHOLD = 3, 0.05
# Every token counts, so that windows of attention show.
FAMILY_SETTINGS = {'completion_only_loss': False, 'max_steps': 5, 'learning_rate': 1e-2}
FAMILIES = ['llama', 'llama3', 'mistral', 'qwen3', 'gemma3-text']

# ChatML, with the assistant's part marked.
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{{ '\\n' }}"
    "{% else %}{{ message['content'] + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


class RecordedTrainer(SFTTrainer):
    """Keeps each training micro-batch, and what TRL would log of it alone."""

    def compute_loss(self, model, inputs, *args, **kwargs):
        loss = super().compute_loss(model, inputs, *args, **kwargs)
        if model.training:
            mask = inputs['attention_mask']
            self.seen += [
                {'input_ids': unpadded(ids, real), 'labels': unpadded(labels, real)}
                for ids, labels, real in zip(inputs['input_ids'], inputs['labels'], mask)
            ]
            means = self.micro.setdefault(self.state.global_step, {})
            for name in ('mean_token_accuracy', 'entropy'):
                means.setdefault(name, []).append(self._metrics['train'][name][-1])
        return loss


def row(question, answer, system=None):
    prompt = [{'role': 'system', 'content': system}] if system else []
    return {'prompt': prompt + user(question), 'completion': assistant(answer)}


def first_rows():
    """18 rows: one is longer than max_length (cut), one's prompt alone fills it (dropped)."""
    sums = [(47, 38), (12, 5), (63, 9), (20, 71), (8, 8), (35, 16), (90, 4), (51, 27)]
    rows = [row(f'What is {a} plus {b}?', f'Answer: {a + b}.') for a, b in sums]
    rows += [row(f'What is {a} minus {b}?', f'{a}-{b}={a - b}. Answer: {a - b}.') for a, b in sums[:6]]
    rows.insert(3, row('Which word comes first: saw, glove or knife?', 'glove'))
    rows.insert(7, row('Write a story.', 'A cat sat on the mat and watched the rain. ' * 3))
    rows.insert(10, row('Read this and wait. ' * 9, 'Done.'))
    rows.insert(12, row('Hi', 'Caf\u00e9 \U0001f600', system='Be short.'))
    return rows


def more_rows():
    """22 further rows: of the 40, 39 are kept, and the last micro-batch of an epoch has one."""
    words = ['apple', 'stone', 'river', 'cloud', 'glass', 'light', 'paper', 'north', 'sugar', 'train', 'horse']
    rows = [row(f'Spell {word} backwards.', word[::-1]) for word in words]
    rows += [row(f'Which comes first: {a} or {b}?', f'{min(a, b)}, then {max(a, b)}.') for a, b in zip(words, words[3:])]
    return rows + [row('Hi', 'Hello!'), row('Count.', '1 2 3 4 5 6 7 8 9'), row('Say nothing.', '...')]


def turn_rows():
    return [
        {'messages': user(f'What is {a} plus {b}?') + assistant(f'{a + b}') + user('And one more?') + assistant(f'{a + b + 1}.')}
        for a, b in [(2, 3), (14, 9), (30, 12), (7, 7), (81, 10), (5, 60), (9, 4), (22, 22), (1, 99), (40, 2), (6, 13)]
    ] + [{'messages': user('Hi') + assistant('Hello. ' * 14) + user('Bye') + assistant('Bye')}]


def held_out_rows():
    sums = [(19, 22), (70, 7), (3, 14), (44, 44)]
    return [row(f'What is {a} plus {b}?', f'Answer: {a + b}.') for a, b in sums] + [row('Spell planet backwards.', 'tenalp')]


def messages_of(rows):
    return [{'messages': each['prompt'] + each['completion']} for each in rows]


def trained(name, settings, rows, held_out, scratch, model='qwen2'):
    processing = tokenizer()
    extra, callbacks = {}, []
    if name == 'assistant-only':
        processing.chat_template = TEMPLATE
    if name == 'validated':
        extra = {**VALIDATION, 'output_dir': f'{scratch}/validated'}
        callbacks = [EarlyStoppingCallback(PATIENCE, THRESHOLD)]
    trainer = RecordedTrainer(
        model=policy(model), processing_class=processing, callbacks=callbacks,
        args=SFTConfig(**{
            **COMMON, 'output_dir': scratch, 'packing': False, 'shuffle_dataset': False, **SETTINGS, **settings, **extra,
        }),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(held_out) if name == 'validated' else None,
    )
    trainer.seen, trainer.micro = [], {}
    log, evaluations = train(trainer)
    micro = {key: [step[key] for step in trainer.micro.values()] for key in ('mean_token_accuracy', 'entropy')}
    run = {'settings': settings, 'log': log, 'micro': micro}
    if evaluations:
        run['evaluations'] = evaluations
        run['best_step'] = trainer.state.best_global_step
    return trainer, run


def exact(*arguments):
    """Loss and gradient norm of the same run in float64."""
    with double_precision():
        _, run = trained(*arguments)
    return {name: run['log'][name] for name in ('loss', 'grad_norm')}


def evaluated_by_twos(rows, held_out, scratch):
    """The entering policy, measured in batches of two rows: TRL means batch means, and its loss weighs them by rows."""
    trainer = SFTTrainer(
        model=policy(), processing_class=tokenizer(), train_dataset=Dataset.from_list(rows), eval_dataset=Dataset.from_list(held_out),
        args=SFTConfig(**{**COMMON, **SETTINGS}, output_dir=scratch, packing=False, per_device_eval_batch_size=2),
    )
    with contextlib.redirect_stdout(io.StringIO()):
        measured = trainer.evaluate()
    return {name: measured[name] for name in ('eval_loss', 'eval_mean_token_accuracy', 'eval_entropy')}


def packing():
    """Lengths with many ties, as lists of their row's number."""
    generator = np.random.default_rng(5)
    lengths = [int(length) for length in generator.integers(1, 33, size=120)]
    documents = Dataset.from_dict({'input_ids': [[index] * length for index, length in enumerate(lengths)]})
    rows = {
        strategy: [[int(index) for index in packed] for packed in pack_dataset(documents, 32, strategy)['input_ids']]
        for strategy in ('bfd', 'wrapped')
    }
    rows['bfd'] = [list(dict.fromkeys(row)) for row in rows['bfd']]
    # Rows of `wrapped` as [document, tokens of it].
    rows['wrapped'] = [[[index, row.count(index)] for index in dict.fromkeys(row)] for row in rows['wrapped']]

    sizes, probabilities, seed = [7, 4, 12], [0.5, 0.2, 0.3], 3
    sets = [Dataset.from_dict({'place': [[which, row] for row in range(size)]}) for which, size in enumerate(sizes)]
    order = {
        strategy: interleave_datasets(sets, probabilities, seed=seed, stopping_strategy=strategy)['place'][:]
        for strategy in ('first_exhausted', 'all_exhausted')
    }
    write_json(FIXTURES / 'sft-packing.json', {
        'capacity': 32, 'lengths': lengths, **rows, 'interleaved': {'sizes': sizes, **order},
    }, levels=2)


def main():
    warnings.filterwarnings('ignore')
    first, more, turns, held_out = first_rows(), more_rows(), turn_rows(), held_out_rows()
    rows = first + more
    assert len(rows) == 40
    write_rows('sft-rows.jsonl', messages_of(first))
    write_rows('sft-more-rows.jsonl', messages_of(more))
    write_rows('sft-turns.jsonl', turns)
    write_rows('sft-held-out.jsonl', messages_of(held_out))
    runs, seen = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, settings in RUNS.items():
            arguments = (name, settings, turns if name == 'assistant-only' else rows, held_out, scratch)
            trainer, runs[name] = trained(*arguments)
            seen[name] = trainer.seen[:len(trainer.train_dataset)]
            if name in ('completion-only', 'whole-sequence', 'validated'):
                save_adapter(trainer, TRAINING / f'sft-{name}')
            runs[name]['exact'] = exact(*arguments)
        families = {'settings': FAMILY_SETTINGS, 'logs': {}, 'exact': {}}
        for family in FAMILIES:
            arguments = (family, FAMILY_SETTINGS, first, held_out, scratch, family)
            families['logs'][family] = trained(*arguments)[1]['log']
            families['exact'][family] = exact(*arguments)
        by_twos = evaluated_by_twos(first, held_out, scratch)
    assert [len(run['log']['loss']) for run in runs.values()][:-1] == [20] * 5 + [12]
    kept = {tuple(each['input_ids']): each for each in seen['completion-only']}
    assert len(seen['whole-sequence']) == 40 and len(seen['completion-only']) == 39
    write_json(TRAINING / 'sft.json', {
        'settings': SETTINGS,
        'validation': {'patience': PATIENCE, 'threshold': THRESHOLD, 'eval_steps': VALIDATION['eval_steps'], 'by_twos': by_twos},
        'template': TEMPLATE,
        'rows': [kept.get(tuple(each['input_ids']), {'input_ids': each['input_ids']}) for each in seen['whole-sequence']],
        'turns': seen['assistant-only'],
        'runs': runs,
        'families': families,
    }, levels=4)
    packing()


if __name__ == '__main__':
    main()
