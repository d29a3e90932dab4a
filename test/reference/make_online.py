"""GRPO and GSPO online, by TRL's own loop: the policy samples, is scored, moves, and samples again.

training/online.json   per run: settings, the prompts, what was sampled in each generation batch, TRL's log of each step
training/online-<run>/  the adapter after the last step, saved by PEFT (the first run only)

TRL samples with torch's random numbers, so a comparison replays its completions. TRL shuffles a generation batch before
it cuts it into micro-batches; here it does not, so that the order is that of the prompts. A random model hardly ever
ends by itself: some completions are cut and ended. Everything else is TRL's: rewards, advantages, old and reference
log-probabilities, iterations, accumulation.
"""

import contextlib
import io
import tempfile
import warnings

from reference import write_json
from trainers import COMMON, TRAINING, policy, save_adapter, tokenizer, user

import torch
import trl.trainer.grpo_trainer as grpo_module
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

LONGEST = 12
# What the fixture shows of a run's settings.
SHOWN = (
    'per_device_train_batch_size', 'gradient_accumulation_steps', 'num_train_epochs', 'max_steps', 'learning_rate',
    'lr_scheduler_type', 'warmup_steps', 'weight_decay', 'max_grad_norm', 'adam_beta1', 'adam_beta2', 'adam_epsilon', 'beta',
    'loss_type', 'num_generations', 'max_completion_length', 'steps_per_generation', 'num_iterations', 'epsilon',
    'epsilon_high', 'scale_rewards', 'importance_sampling_level', 'mask_truncated_completions', 'use_bias_correction_kl',
    'temperature', 'reward_weights', 'multi_objective_aggregation',
)
PROMPTS = [
    'What is 12 minus 5?', 'What is 8 plus 8?', 'Which word comes first: saw or glove?', 'Hi', 'Add 3 and 4.',
    'Sort tie, grape and red. Which is first?', 'What is 90 plus 4?', 'Write a story.',
]


def letters(completions, **_):
    """Share of ASCII letters."""
    texts = [completion[0]['content'] for completion in completions]
    return [sum(c.isascii() and c.isalpha() for c in text) / max(1, len(text)) for text in texts]


def words(completions, **_):
    """Pieces between spaces; no score where there is no space."""
    texts = [completion[0]['content'] for completion in completions]
    return [None if ' ' not in text else len(text.split(' ')) / 2 for text in texts]


class Online(GRPOTrainer):
    """Keeps what each generation batch was."""

    def _generate_single_turn(self, prompt_ids, *args, **kwargs):
        completions, logprobs = super()._generate_single_turn(prompt_ids, *args, **kwargs)
        end = self._tokenizer.eos_token_id
        ended = []
        for nth, ids in enumerate(completions):
            if nth % 4 != 2 and ids[-1] != end:
                ids = ids[: 3 + (3 * nth + 5 * len(self.generations)) % 8] + [end]
            ended.append(list(ids))
        self.generations.append(ended)
        return ended, logprobs


RUNS = {
    # Off-policy: each generation batch of four micro-batches serves four updates of two, in two passes.
    'grpo': {
        'per_device_train_batch_size': 4, 'gradient_accumulation_steps': 2, 'steps_per_generation': 4,
        'num_iterations': 2, 'max_steps': 12, 'loss_type': 'dapo', 'beta': 0.05, 'use_bias_correction_kl': False,
        'mask_truncated_completions': True, 'temperature': 0.9, 'epsilon_high': 0.28, 'reward_weights': [1.0, 0.5],
    },
    'gspo': {
        'per_device_train_batch_size': 8, 'gradient_accumulation_steps': 1, 'steps_per_generation': 2,
        'num_iterations': 2, 'max_steps': 8, 'loss_type': 'grpo', 'importance_sampling_level': 'sequence',
        'epsilon': 0.03, 'epsilon_high': 0.04, 'learning_rate': 3e-4,
        'multi_objective_aggregation': 'normalize_then_sum', 'reward_weights': [1.0, 2.0],
    },
    # On-policy: each update has a generation batch of its own, and the ratio is 1.
    'on-policy': {
        'per_device_train_batch_size': 4, 'gradient_accumulation_steps': 4, 'steps_per_generation': 4,
        'num_iterations': 1, 'max_steps': 6, 'loss_type': 'bnpo', 'scale_rewards': 'none',
    },
    # An update takes two generation batches, and an epoch ends with a single one.
    'spanning': {
        'per_device_train_batch_size': 4, 'gradient_accumulation_steps': 3, 'steps_per_generation': 2,
        'num_iterations': 1, 'max_steps': 6, 'loss_type': 'dr_grpo', 'beta': 0.02, 'use_bias_correction_kl': False,
    },
}


def train(scratch, settings):
    rewards = [letters, words] if 'reward_weights' in settings else [letters]
    args = GRPOConfig(**{
        **COMMON, 'output_dir': scratch, 'num_generations': 4, 'max_completion_length': LONGEST, 'temperature': 1.0,
        'learning_rate': 1e-3, 'lr_scheduler_type': 'linear', 'warmup_steps': 1, 'weight_decay': 0.01,
        'max_grad_norm': 1.0, 'beta': 0.0, 'shuffle_dataset': False, 'num_train_epochs': 8,
        # Padding may not be sampled: TRL takes a completion that ends in it for a whole one.
        'generation_kwargs': {'suppress_tokens': [tokenizer().pad_token_id]}, **settings,
    })
    trainer = Online(
        model=policy(), processing_class=tokenizer(), args=args, reward_funcs=rewards,
        train_dataset=Dataset.from_list([{'prompt': user(prompt)} for prompt in PROMPTS]),
    )
    trainer.generations = []
    sink = io.StringIO()
    with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(sink):
        trainer.train()
    return trainer


def main():
    warnings.filterwarnings('ignore')
    grpo_module.shuffle_sequence_dict = lambda batch: batch
    runs = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, settings in RUNS.items():
            trainer = train(scratch, settings)
            shown = {key: getattr(trainer.args, key) for key in SHOWN}
            runs[name] = {
                'settings': {key: getattr(value, 'value', value) for key, value in shown.items()},
                'generations': trainer.generations,
                'steps': [
                    {key: value for key, value in entry.items() if 'time' not in key}
                    for entry in trainer.state.log_history if 'loss' in entry
                ],
            }
            if name == 'grpo':
                save_adapter(trainer, TRAINING / 'online-grpo')
    write_json(TRAINING / 'online.json', {'prompts': PROMPTS, 'runs': runs}, levels=4)


if __name__ == '__main__':
    main()
