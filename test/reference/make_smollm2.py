"""Greedy answers of a SmolLM2-135M-Instruct folder to twenty questions: smollm2-greedy.json.

    python test/reference/make_smollm2.py FOLDER

Weights as the folder holds them, arithmetic in float32. The folder is not committed; the answers are, with the SHA-256 of
its weights. Each decision's margin over the runner-up is kept: where a margin is tiny, another kernel may choose otherwise.
"""

import hashlib
import pathlib
import sys

from reference import FIXTURES, write_json

import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

QUESTIONS = [
    'What is the capital of France?',
    'Name three primary colors.',
    'What is 12 plus 30?',
    'Who wrote Romeo and Juliet?',
    'Explain what photosynthesis is in one sentence.',
    'Write a haiku about rain.',
    'How many days are there in a leap year?',
    'Translate "good morning" into Spanish.',
    'Give me one tip for sleeping better.',
    'Why is the sky blue?',
    'What is the largest planet in the solar system?',
    'Write one sentence about a cat and a dog.',
    'How do I boil an egg?',
    'What does the word "brave" mean?',
    'List four animals that can fly.',
    'What is 7 times 8?',
    'Finish the sentence: The early bird catches',
    'Which ocean lies between Europe and America?',
    'Say hello in a friendly way.',
    'What is a prime number?',
]
NEW_TOKENS = 40


def main():
    folder = pathlib.Path(sys.argv[1])
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    answers = []
    for question in QUESTIONS:
        prompt = tokenizer.apply_chat_template([{'role': 'user', 'content': question}], add_generation_prompt=True)['input_ids']
        with torch.no_grad():
            result = model.generate(
                input_ids=torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                max_new_tokens=NEW_TOKENS, do_sample=False, output_logits=True, return_dict_in_generate=True,
                pad_token_id=tokenizer.eos_token_id,
            )
        ids = result.sequences[0, len(prompt):].tolist()
        tops = [step[0].float().topk(2).values for step in result.logits]
        answers.append({
            'question': question, 'prompt': prompt, 'continuation': ids, 'text': tokenizer.decode(ids),
            'smallest_margin': min((top[0] - top[1]).item() for top in tops),
        })
        print(f'{answers[-1]["smallest_margin"]:.4f} {answers[-1]["text"]!r}', flush=True)
    digest = hashlib.sha256((folder / 'model.safetensors').read_bytes()).hexdigest()
    write_json(FIXTURES / 'smollm2-greedy.json', {
        'weights_sha256': digest, 'max_new_tokens': NEW_TOKENS, 'stop': 'end of turn', 'answers': answers,
    }, digits=4, levels=2)


if __name__ == '__main__':
    main()
