"""What transformers gives a judge's verdicts as probabilities, on models/qwen2 with its adapter.

judging/glued/    the tokenizer of models/qwen2 with GPT-2's pre-tokenizer, in which a space and a digit are one token
judging/choices.json  cases: a question, the text before the verdict, choices with all their spellings; the share of
                      each choice among all. A spelling's probability is the product over its tokens after the text
                      that all spellings have in common; one that another goes on from (1 and 10) counts only with
                      what does not go on.
"""

import json
import shutil

from reference import ADAPTERS, FIXTURES, MODELS, write_json

import torch
from peft import PeftModel
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM

FOLDER = FIXTURES / 'judging'
CASES = [
    # question, before, choices; with None a space or none may follow, else just what is given
    ('What is 12 minus 5? Reply: 7.', 'Score:', [str(score) for score in range(6)], [' ', '']),
    ('What is 12 minus 5? Reply: 7.', 'Score:', [str(score) for score in range(6)], [' ']),
    ('Which of the words comes first?', 'The first word is apple. **Score:', [str(s) for s in range(6)], ['** ']),
    ('What is the capital of France?', 'Mark：', [str(score) for score in range(11)], [' ', '']),
    ('Which is better?', 'Verdict:', ['A', 'B', 'tie'], [' ', '']),
    ('Which is better?', '[[', ['A', 'B', 'tie'], ['']),
    ('Score it.', 'Score:', [str(score) for score in range(95, 111)], [' ']),
]


def glued_tokenizer():
    """Merges of a space and a digit in place of the last merges, whose tokens make room."""
    source = json.loads((MODELS / 'qwen2' / 'tokenizer.json').read_text())
    merges = source['model']['merges']
    vocabulary = source['model']['vocab']
    for digit in range(6):
        left, right = merges.pop()
        token = vocabulary.pop(left + right)
        vocabulary[f'Ġ{digit}'] = token
        merges.insert(0, ['Ġ', str(digit)])
    source['pre_tokenizer'] = {'type': 'ByteLevel', 'add_prefix_space': False, 'trim_offsets': True, 'use_regex': True}
    folder = FOLDER / 'glued'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'tokenizer.json').write_text(json.dumps(source, separators=(',', ':'), ensure_ascii=False) + '\n')
    for name in ('tokenizer_config.json', 'chat_template.jinja'):
        shutil.copyfile(MODELS / 'qwen2' / name, folder / name)
    return Tokenizer.from_str(json.dumps(source))


def begins(model, prompt, tokens):
    """Probability that the model goes on with these tokens."""
    with torch.no_grad():
        logps = model(torch.tensor([prompt + tokens])).logits[0].double().log_softmax(-1)
    return sum(logps[len(prompt) - 1 + at, token].item() for at, token in enumerate(tokens))


def shares(model, prompt, spellings):
    """By choice: the exact spelling as token lists."""
    sequences = [tuple(ids) for texts in spellings for ids in texts]
    shared = 0
    while all(len(ids) > shared + 1 and ids[shared] == sequences[0][shared] for ids in sequences):
        shared += 1
    start = prompt + list(sequences[0][:shared])
    mass = {ids: torch.tensor(begins(model, start, list(ids[shared:])), dtype=torch.float64).exp().item()
            for ids in set(sequences)}

    def own(ids):
        longer = [other for other in mass if len(other) > len(ids) and other[:len(ids)] == ids]
        first = [other for other in longer
                 if not any(len(ids) < len(mid) < len(other) and other[:len(mid)] == mid for mid in longer)]
        return mass[ids] - sum(mass[other] for other in first)

    own_masses = [sum(own(ids) for ids in {tuple(each) for each in texts}) for texts in spellings]
    return [each / sum(own_masses) for each in own_masses]


def main():
    base = AutoModelForCausalLM.from_pretrained(MODELS / 'qwen2', dtype=torch.float32)
    model = PeftModel.from_pretrained(base, ADAPTERS / 'qwen2').eval()
    tokenizers = {'qwen2': Tokenizer.from_file(str(MODELS / 'qwen2' / 'tokenizer.json')), 'glued': glued_tokenizer()}
    cases = []
    for name, tokenizer in tokenizers.items():
        encode = lambda text: tokenizer.encode(text, add_special_tokens=False).ids  # noqa: E731
        for question, before, choices, gaps in CASES:
            prompt = encode(f'<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n')
            spelled = [[gap + choice for gap in gaps] for choice in choices]
            found = shares(model, prompt, [[encode(before + text) for text in texts] for texts in spelled])
            cases.append({'tokenizer': name, 'question': question, 'before': before, 'choices': spelled, 'shares': found})
    write_json(FOLDER / 'choices.json', cases, digits=9, levels=1)


if __name__ == '__main__':
    main()
