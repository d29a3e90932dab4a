"""TRL's GRPOTrainer on stored completions: every loss type, scaling, penalty, clipping and masking, off policy.

training/policy-gradient.json   shared settings, and each run's settings and log by column
training/grpo-rows.jsonl        the completions in this project's format, in the order in which the batches take them,
                                with their log-probabilities under the starting adapter
training/grpo/                  the adapter after the last step of the run `grpo`

The stored completions replace sampling only. In a run `by minibatch` one generation batch of 16 completions is taken
twice, 4 completions a step; in one `accumulated` four times, 16 completions a step in micro-batches of 4: the old policy
is the starting adapter throughout. In one `whole` each step asks anew and gets the same: there is no old policy.
"""

import tempfile
import warnings

from reference import write_json
from trainers import COMMON, TRAINING, policy, save_adapter, tokenizer, train, unpadded, user, write_rows

import torch
from datasets import Dataset
from trl import GRPOConfig, GRPOTrainer

LONGEST = 12
SETTINGS = {
    'num_generations': 4, 'max_completion_length': LONGEST, 'learning_rate': 1e-3, 'lr_scheduler_type': 'constant',
    'warmup_steps': 0, 'num_train_epochs': 1, 'weight_decay': 0.1, 'max_grad_norm': 1.0, 'beta': 0.0, 'epsilon': 0.2,
    'epsilon_high': 0.2, 'temperature': 1.0, 'loss_type': 'grpo', 'scale_rewards': 'group',
    'importance_sampling_level': 'token', 'mask_truncated_completions': False, 'use_bias_correction_kl': False,
    'delta': None, 'top_entropy_quantile': 1.0,
}
MINIBATCH = {'per_device_train_batch_size': 4, 'gradient_accumulation_steps': 1, 'steps_per_generation': 4,
             'num_iterations': 2, 'max_steps': 8}
ACCUMULATED = {**MINIBATCH, 'gradient_accumulation_steps': 4, 'num_iterations': 4, 'max_steps': 4}
WHOLE = {'per_device_train_batch_size': 16, 'gradient_accumulation_steps': 1, 'steps_per_generation': 1,
         'num_iterations': 1, 'max_steps': 3}
KL = {'beta': 0.04}
CORRECTED = {**KL, 'use_bias_correction_kl': True}
MASKED = {'mask_truncated_completions': True}
SEQUENCE = {'importance_sampling_level': 'sequence', 'epsilon': 0.03, 'epsilon_high': 0.04, 'learning_rate': 3e-4}
BY_MINIBATCH = {
    'grpo': {'epsilon_high': 0.28},
    'grpo-batch': {'scale_rewards': 'batch'},
    'grpo-none-masked': {'scale_rewards': 'none', **MASKED},
    'grpo-kl': KL,
    'grpo-kl-corrected': {**CORRECTED, **MASKED},
    'grpo-tight': {'epsilon': 0.02, 'epsilon_high': 0.03},
    'grpo-delta': {'delta': 1.05, 'epsilon': 0.02, 'epsilon_high': 0.02},
    'grpo-entropy': {'top_entropy_quantile': 0.4, **KL},
    'bnpo': {'loss_type': 'bnpo'},
    'bnpo-batch-kl': {'loss_type': 'bnpo', 'scale_rewards': 'batch', **KL},
    'bnpo-masked': {'loss_type': 'bnpo', **MASKED},
    'dr_grpo': {'loss_type': 'dr_grpo'},
    'dr_grpo-none-masked': {'loss_type': 'dr_grpo', 'scale_rewards': 'none', **MASKED},
    'dr_grpo-kl-corrected': {'loss_type': 'dr_grpo', 'epsilon_high': 0.28, **CORRECTED},
    'sapo': {'loss_type': 'sapo'},
    'sapo-kl-masked': {'loss_type': 'sapo', 'sapo_temperature_neg': 1.5, **KL, **MASKED},
    'gspo': SEQUENCE,
    'gspo-paper': {**SEQUENCE, 'epsilon': 3e-4, 'epsilon_high': 4e-4, 'learning_rate': 3e-5},
    'gspo-kl-corrected': {**SEQUENCE, **CORRECTED},
    'gspo-none-masked': {**SEQUENCE, 'scale_rewards': 'none', **MASKED},
    'luspo': {**SEQUENCE, 'loss_type': 'luspo'},
    'luspo-kl-masked': {**SEQUENCE, 'loss_type': 'luspo', **KL, **MASKED},
    # TRL divides by the generation batch's tokens, a quarter for each step.
    'dapo-minibatch': {'loss_type': 'dapo'},
}
IN_ONE_UPDATE = {
    'grpo-accumulated': {**KL, **MASKED},
    'dapo': {'loss_type': 'dapo', 'epsilon_high': 0.28},
    'dapo-batch-kl': {'loss_type': 'dapo', 'scale_rewards': 'batch', **KL},
    'dapo-none-masked': {'loss_type': 'dapo', 'scale_rewards': 'none', **MASKED},
    'dapo-kl-corrected': {'loss_type': 'dapo', **CORRECTED},
    'cispo': {'loss_type': 'cispo', 'epsilon_high': 1.02},
    'cispo-kl-masked': {'loss_type': 'cispo', 'epsilon_high': 5.0, **KL, **MASKED},
    'vespo': {'loss_type': 'vespo'},
    'vespo-batch-masked': {'loss_type': 'vespo', 'scale_rewards': 'batch', 'vespo_k_neg': 2.5, **MASKED},
}
ON_POLICY = {'whole': {'loss_type': 'dapo'}, 'whole-temperature': {'temperature': 0.7, **CORRECTED}}
RUNS = {
    **{name: {**MINIBATCH, **settings} for name, settings in BY_MINIBATCH.items()},
    **{name: {**ACCUMULATED, **settings} for name, settings in IN_ONE_UPDATE.items()},
    **{name: {**WHOLE, **settings} for name, settings in ON_POLICY.items()},
}


class StoredTrainer(GRPOTrainer):
    """Takes its completions from `stored`, and keeps the order of rows and their old log-probabilities."""

    def _generate_single_turn(self, prompt_ids, images, multimodal_fields, num_generations, has_tool_images=False):
        taken, completions = {}, []
        for ids in prompt_ids:
            nth = taken.setdefault(tuple(ids), 0)
            taken[tuple(ids)] = nth + 1
            completions.append(list(self.stored[tuple(ids)][nth]))
        return completions, None

    def compute_loss(self, model, inputs, *args, **kwargs):
        for index, ids in enumerate(inputs['completion_ids']):
            real = ids != self._tokenizer.pad_token_id
            key = (tuple(unpadded(inputs['prompt_ids'][index], inputs['prompt_mask'][index])), tuple(unpadded(ids, real)))
            old = inputs.get('old_per_token_logps')
            self.rows.append((key, None if old is None else unpadded(old[index], real)))
        return super().compute_loss(model, inputs, *args, **kwargs)


def sample(model, prompt, generator, end):
    ids = []
    with torch.no_grad():
        while len(ids) < LONGEST and (not ids or ids[-1] != end):
            distribution = model(input_ids=torch.tensor([prompt + ids])).logits[0, -1].log_softmax(-1)
            distribution[0] = -float('inf')  # never the padding token: padding is found by its id
            ids.append(torch.multinomial(distribution.exp(), 1, generator=generator).item())
    return ids


def completions(tok):
    """Rows by prompt's and completion's ids, and the completions by the prompt's."""
    generator = torch.Generator().manual_seed(11)
    model = policy().eval()
    prompts = ['What is 12 minus 5?', 'What is 8 plus 8?', 'Which word comes first: saw or glove?', 'Hi']
    rewards = [[3.0, 1.0, 4.5, 1.5], [0.0, 5.0, 5.0, 2.0], [2.0, 2.0, 2.0, 2.0], [1.0, 3.5, 0.5, 4.0]]
    stored, rows = {}, {}
    for group, (prompt, scores) in enumerate(zip(prompts, rewards)):
        ids = tuple(tok.apply_chat_template(user(prompt), add_generation_prompt=True)['input_ids'])
        stored[ids] = []
        for nth, reward in enumerate(scores):
            completion = sample(model, list(ids), generator, tok.eos_token_id)
            if nth != 2 and completion[-1] != tok.eos_token_id:  # a random model hardly ever ends by itself
                completion = completion[: 3 + (2 * group + 3 * nth) % 7] + [tok.eos_token_id]
            stored[ids].append(completion)
            rows[ids, tuple(completion)] = {
                'prompt': user(prompt), 'response': tok.decode(completion, skip_special_tokens=True), 'reward': reward,
                'group': group, 'token_ids': completion, 'finished': completion[-1] == tok.eos_token_id,
            }
    assert len(rows) == 16
    assert {row['finished'] for row in rows.values()} == {True, False}
    return prompts, stored, rows


def main():
    warnings.filterwarnings('ignore')
    tok = tokenizer()
    prompts, stored, rows = completions(tok)

    def stored_reward(prompts, completions, completion_ids, **_):
        keys = [tuple(tok.apply_chat_template(prompt, add_generation_prompt=True)['input_ids']) for prompt in prompts]
        return [rows[key, tuple(ids)]['reward'] for key, ids in zip(keys, completion_ids)]

    runs, order = {}, None
    with tempfile.TemporaryDirectory() as scratch:
        for name, settings in RUNS.items():
            trainer = StoredTrainer(
                model=policy(), processing_class=tok, reward_funcs=stored_reward,
                args=GRPOConfig(**{**COMMON, 'output_dir': scratch, 'shuffle_dataset': False, **SETTINGS, **settings}),
                train_dataset=Dataset.from_list([{'prompt': user(prompt)} for prompt in prompts]),
            )
            trainer.stored, trainer.rows = stored, []
            log, _ = train(trainer)
            # What is logged once a generation batch is missing in the other steps.
            complete = {column: values for column, values in log.items() if None not in values}
            runs[name] = {'settings': settings, 'log': complete}
            if order is None:
                order = trainer.rows[:16]
                save_adapter(trainer, TRAINING / 'grpo')
            if name not in ON_POLICY:
                # TRL shuffles a generation batch with torch's seed: the same order in every run.
                assert [key for key, _ in trainer.rows[:16]] == [key for key, _ in order], name
    write_rows('grpo-rows.jsonl', [
        {**rows[key], 'logps': [float(f'{value:.9g}') for value in old]} for key, old in order
    ])
    write_json(TRAINING / 'policy-gradient.json', {'settings': SETTINGS, 'runs': runs}, levels=4)


if __name__ == '__main__':
    main()
