"""Real TRL trainers on the tiny Qwen2 checkpoint: what each optimiser step saw and what it logged.

training/policy-gradient.json  GRPO and GSPO on stored completions
training/*-rows.jsonl        the data in this project's formats; the trainers get the same in TRL's
training/<run>/              the adapter after the last step, saved by PEFT

Every run: fp32, CPU, adamw_torch, dropout 0, no shuffling, start from adapters/qwen2. A step's `batches` are its
micro-batches with padding removed. TRL's loop, sampler, collator, schedule and clipping run as they are; the stored
completions replace sampling only.
"""

import contextlib
import io
import json
import shutil
import tempfile
import warnings

from reference import ADAPTERS, FIXTURES, MODELS, write_json

import torch
from datasets import Dataset
from peft import PeftModel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import GRPOConfig, GRPOTrainer

TRAINING = FIXTURES / 'training'
COMMON = {
    'optim': 'adamw_torch', 'bf16': False, 'fp16': False, 'use_cpu': True, 'gradient_checkpointing': False,
    'logging_steps': 1, 'logging_nan_inf_filter': False, 'report_to': 'none', 'save_strategy': 'no', 'seed': 7,
    'disable_tqdm': True, 'dataloader_num_workers': 0, 'train_sampling_strategy': 'sequential',
}
# What a run's settings are called in the fixture, next to the trainer's own values.
SHOWN = (
    'per_device_train_batch_size', 'gradient_accumulation_steps', 'num_train_epochs', 'max_steps', 'learning_rate',
    'lr_scheduler_type', 'warmup_steps', 'weight_decay', 'max_grad_norm', 'adam_beta1', 'adam_beta2', 'adam_epsilon',
    'beta', 'loss_type', 'num_generations',
    'max_completion_length', 'steps_per_generation', 'num_iterations', 'epsilon', 'epsilon_high', 'scale_rewards',
    'importance_sampling_level', 'mask_truncated_completions', 'use_bias_correction_kl', 'temperature',
)


def tokenizer():
    # Not AutoTokenizer: for this model type it builds a class of its own instead of reading tokenizer.json.
    return PreTrainedTokenizerFast.from_pretrained(MODELS / 'qwen2')


def start():
    model = AutoModelForCausalLM.from_pretrained(MODELS / 'qwen2', dtype=torch.float32)
    return PeftModel.from_pretrained(model, ADAPTERS / 'qwen2', is_trainable=True)


def unpadded(values, mask):
    return [value for value, real in zip(values.tolist(), mask.tolist()) if real]


def settings_of(args):
    shown = {name: getattr(args, name) for name in SHOWN if hasattr(args, name)}
    return {name: getattr(value, 'value', value) for name, value in shown.items()}


def run(trainer, recorded, folder=None):
    """Trains; returns settings and one entry a step. `recorded` holds a list of micro-batches per forward pass."""
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        trainer.train()
    logs = [entry for entry in trainer.state.log_history if 'loss' in entry]
    steps = []
    for log in logs:
        entry = {name: value for name, value in log.items() if 'time' not in name and not name.startswith('completions/')}
        steps.append({'log': entry, 'batches': recorded.pop(log['step'])})
    assert not recorded
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)
        trainer.model.save_pretrained(folder, selected_adapters=['default'])
        (folder / 'README.md').unlink(missing_ok=True)
        (folder / 'adapter_config.json').unlink()
        shutil.copy(ADAPTERS / 'qwen2' / 'adapter_config.json', folder)
    return {'settings': settings_of(trainer.args), 'steps': steps}


class Recorded:
    """Mixed into a trainer: keeps what `describe` makes of each training micro-batch, under the coming step's number."""

    def compute_loss(self, model, inputs, *args, **kwargs):
        self.recorded.setdefault(self.state.global_step + 1, []).append(self.describe(inputs))
        return super().compute_loss(model, inputs, *args, **kwargs)


class RecordedGrpo(Recorded, GRPOTrainer):
    stored = {}

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        """The stored completions of each prompt, in their order."""
        taken, completions = {}, []
        for ids in prompt_ids:
            nth = taken.setdefault(tuple(ids), 0)
            taken[tuple(ids)] = nth + 1
            completions.append(list(self.stored[tuple(ids)][nth]))
        return completions, None

    def describe(self, inputs):
        rows = []
        for index, ids in enumerate(inputs['completion_ids']):
            # A masked (truncated) completion keeps its ids here; `counted` says whether its tokens enter the loss.
            real = ids != self._tokenizer.pad_token_id
            row = {
                'prompt_ids': unpadded(inputs['prompt_ids'][index], inputs['prompt_mask'][index]),
                'completion_ids': unpadded(ids, real),
                'counted': bool(inputs['completion_mask'][index].any()),
                'advantage': inputs['advantages'][index].item(),
            }
            for name, key in (('old_logps', 'old_per_token_logps'), ('reference_logps', 'ref_per_token_logps')):
                if inputs.get(key) is not None:
                    row[name] = unpadded(inputs[key][index], real)
            rows.append(row)
        return {'rows': rows}


def trainer_of(kind, **kwargs):
    trainer = kind(model=start(), processing_class=tokenizer(), **kwargs)
    trainer.recorded = {}
    return trainer


def user(text):
    return [{'role': 'user', 'content': text}]


def assistant(text):
    return [{'role': 'assistant', 'content': text}]


def write_rows(name, rows):
    TRAINING.mkdir(parents=True, exist_ok=True)
    text = ''.join(json.dumps(row, ensure_ascii=False) + '\n' for row in rows)
    (TRAINING / name).write_text(text, encoding='utf-8')


# --- Policy gradients on stored completions -----------------------------------------------------------------------------

LONGEST = 12


def sample(model, prompt, generator, end):
    ids = []
    with torch.no_grad():
        while len(ids) < LONGEST and (not ids or ids[-1] != end):
            distribution = model(input_ids=torch.tensor([prompt + ids])).logits[0, -1].log_softmax(-1)
            distribution[0] = -float('inf')  # never the padding token: padding is found by its id
            ids.append(torch.multinomial(distribution.exp(), 1, generator=generator).item())
    return ids


def policy_gradient(scratch):
    tok = tokenizer()
    generator = torch.Generator().manual_seed(11)
    model = start().eval()
    prompts = ['What is 12 minus 5?', 'What is 8 plus 8?', 'Which word comes first: saw or glove?', 'Hi']
    rewards = [[3.0, 1.0, 4.5, 1.5], [0.0, 5.0, 5.0, 2.0], [2.0, 2.0, 2.0, 2.0], [1.0, 3.5, 0.5, 4.0]]
    stored, reward_of, rows = {}, {}, []
    for group, (prompt, scores) in enumerate(zip(prompts, rewards)):
        ids = tok.apply_chat_template(user(prompt), add_generation_prompt=True)['input_ids']
        stored[tuple(ids)] = []
        for nth, reward in enumerate(scores):
            completion = sample(model, ids, generator, tok.eos_token_id)
            if nth != 2 and completion[-1] != tok.eos_token_id:  # a random model hardly ever ends by itself
                completion = completion[: 3 + (2 * group + 3 * nth) % 7] + [tok.eos_token_id]
            stored[tuple(ids)].append(completion)
            reward_of[(tuple(ids), tuple(completion))] = reward
            rows.append({
                'prompt': user(prompt), 'response': tok.decode(completion, skip_special_tokens=True), 'reward': reward,
                'group': group, 'token_ids': completion, 'finished': completion[-1] == tok.eos_token_id,
            })
    assert len(reward_of) == 16
    lengths = [len(row['token_ids']) for row in rows]
    assert any(row['finished'] for row in rows) and not all(row['finished'] for row in rows), lengths

    def reward_function(prompts, completions, completion_ids, **_):
        keys = [tuple(tok.apply_chat_template(prompt, add_generation_prompt=True)['input_ids']) for prompt in prompts]
        return [reward_of[(key, tuple(ids))] for key, ids in zip(keys, completion_ids)]

    # One generation batch holds all 16 completions and is used twice or more: the old policy is the start throughout.
    by_minibatch = {'per_device_train_batch_size': 4, 'gradient_accumulation_steps': 1, 'steps_per_generation': 4,
                    'num_iterations': 2, 'max_steps': 8}
    accumulated = {**by_minibatch, 'gradient_accumulation_steps': 4, 'num_iterations': 4, 'max_steps': 4}
    table = {
        'grpo': {**by_minibatch, 'loss_type': 'grpo', 'epsilon_high': 0.28},
        'bnpo-kl': {**by_minibatch, 'loss_type': 'bnpo', 'beta': 0.04, 'use_bias_correction_kl': False},
        'dr_grpo-truncated-masked': {**by_minibatch, 'loss_type': 'dr_grpo', 'mask_truncated_completions': True,
                                     'scale_rewards': 'none'},
        'dapo-accumulated': {**accumulated, 'loss_type': 'dapo', 'epsilon_high': 0.28, 'scale_rewards': 'batch'},
        'gspo': {**by_minibatch, 'loss_type': 'grpo', 'importance_sampling_level': 'sequence', 'epsilon': 0.03,
                 'epsilon_high': 0.04, 'learning_rate': 3e-4},
    }
    runs, order = {}, None
    for name, settings in table.items():
        args = GRPOConfig(**{
            **COMMON, 'output_dir': scratch, 'num_generations': 4, 'max_completion_length': LONGEST, 'temperature': 1.0,
            'learning_rate': 1e-3, 'lr_scheduler_type': 'constant', 'weight_decay': 0.01, 'max_grad_norm': 1.0, 'beta': 0.0,
            'shuffle_dataset': False, **settings,
        })
        trainer = trainer_of(
            RecordedGrpo, args=args, reward_funcs=reward_function,
            train_dataset=Dataset.from_list([{'prompt': user(prompt)} for prompt in prompts]),
        )
        trainer.stored = stored
        runs[name] = run(trainer, trainer.recorded, TRAINING / 'grpo' if name == 'grpo' else None)
        if order is None:
            first = [row for step in runs[name]['steps'][:4] for batch in step['batches'] for row in batch['rows']]
            order = [(tuple(row['prompt_ids']), tuple(row['completion_ids'])) for row in first]
            old = {key: row['old_logps'] for key, row in zip(order, first)}
    # The file holds the rows in the order in which TRL took them (it shuffles a generation batch with torch's seed).
    keyed = {
        (tuple(tok.apply_chat_template(row['prompt'], add_generation_prompt=True)['input_ids']), tuple(row['token_ids'])): row
        for row in rows
    }
    write_rows('grpo-rows.jsonl', [
        {**keyed[key], 'logps': [float(f'{value:.9g}') for value in old[key]]} for key in order
    ])
    write_json(TRAINING / 'policy-gradient.json', runs, levels=4)


def main():
    warnings.filterwarnings('ignore')
    with tempfile.TemporaryDirectory() as scratch:
        policy_gradient(scratch)


if __name__ == '__main__':
    main()
