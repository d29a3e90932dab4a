"""Chat templates as transformers renders them, over 200 conversations.

templates/conversations.json   the conversations
templates/rendered.json        per template and variant: for each conversation the beginning of the SHA-256 of its text, `-` where
                               the template refuses it, and the first few texts in full
templates/assistant-masks.json what `return_assistant_tokens_mask` gives with templates/generation.jinja on the tokenizers of
                               several families: for each of 60 conversations the number of tokens and where the mask changes

The templates lie in test/reference/templates. Those of Qwen2.5, Qwen3 and SmolLM2 are the families' own (Apache 2.0); the
others behave as the families' do. `strftime_now` sees 26 July 2024.
"""

import datetime
import hashlib
import pathlib
import random
from unittest import mock

from reference import FIXTURES, write_json

from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

TEMPLATES = pathlib.Path(__file__).resolve().parent / 'templates'
FOLDER = FIXTURES / 'templates'
COUNT = 200
IN_FULL = 4
TOKENS = {'bos_token': '<s>', 'eos_token': '</s>'}
VARIANTS = {
    'plain': {'add_generation_prompt': False},
    'prompt': {'add_generation_prompt': True},
}
MORE_VARIANTS = {'qwen3': {'without-thinking': {'add_generation_prompt': True, 'enable_thinking': False}}}
PIECES = [
    'What is the capital of France?', 'Paris.', 'Write a story.', 'Be short.', '2 + 2 = 4', "Don't.", 'a', 'None', '0', '{{ x }}', '{% if %}',
    'Café \u2014 naïve', '漢字かな', '\U0001f600\U0001f44d\U0001f3fd', 'e\u0301', 'مرحبا', '<|im_end|>', '</s>', '[INST]', '<start_of_turn>',
    '<think>\nHm.\n</think>\n\nYes.', '<think></think>No.', '<think>\n\n</think>\n\n', 'x</think>y', '<tool_response>', '"quoted" & <b>', '\\n', "it's",
    '| a | b |\n|---|---|', 'def f():\n    return 1', 'line\r\nline',
]
EDGES = ['', '', '', '', ' ', '  ', '\n', '\n\n', '\t', ' \n ', '\u00a0', '\u3000', '\ufeff', '\x1c', '\x85', '\u200b']


def text(generator):
    if generator.random() < 0.06:
        return generator.choice(EDGES)
    words = [generator.choice(PIECES) for _ in range(generator.randrange(1, 4))]
    return generator.choice(EDGES) + generator.choice([' ', '\n', '\n\n', '  ']).join(words) + generator.choice(EDGES)


def conversations():
    generator = random.Random(77)
    result = []
    while len(result) < COUNT:
        turns = []
        if generator.random() < 0.4:
            turns.append('system')
        turns += ['user', 'assistant'] * generator.randrange(0, 4)
        if generator.random() < 0.5 or not turns:
            turns.append('user')
        if generator.random() < 0.2:  # no order that a model has seen
            turns.insert(generator.randrange(len(turns) + 1), generator.choice(['user', 'assistant', 'system']))
        result.append([{'role': role, 'content': text(generator)} for role in turns])
    return result


class FixedDay(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2024, 7, 26)


def rendered(template, conversation, variables):
    try:
        texts, _ = chat_template_utils.render_jinja_template(
            conversations=[conversation], chat_template=template, **TOKENS, **variables
        )
        return texts[0]
    except Exception:  # whatever the template trips over, it refuses the conversation
        return None


def digest(value):
    return '' if value is None else hashlib.sha256(value.encode('utf-8')).hexdigest()[:10]


def runs(mask):
    """Where the mask begins and ends to be one, in turn."""
    edges = [0, *mask, 0]
    return [at for at in range(len(mask) + 1) if edges[at] != edges[at + 1]]


def assistant_masks(source):
    template = (TEMPLATES / 'generation.jinja').read_text(encoding='utf-8')
    result = {}
    for name in ('qwen2', 'llama2', 'llama3', 'gemma3', 'mistral-v1', 'flags'):
        tokenizer = AutoTokenizer.from_pretrained(FIXTURES / 'tokenizers' / name)
        result[name] = []
        for conversation in source:
            encoded = tokenizer.apply_chat_template(
                conversation, chat_template=template, return_dict=True, return_assistant_tokens_mask=True
            )
            result[name].append({'tokens': len(encoded['input_ids']), 'runs': runs(encoded['assistant_masks'])})
    return result


def main():
    source = conversations()
    write_json(FOLDER / 'conversations.json', source, levels=1)
    results = {}
    with mock.patch.object(chat_template_utils, 'datetime', FixedDay):
        for file in sorted(TEMPLATES.glob('*.jinja')):
            template = file.read_text(encoding='utf-8')
            variants = {**VARIANTS, **MORE_VARIANTS.get(file.stem, {})}
            results[file.stem] = {}
            for name, variables in variants.items():
                texts = [rendered(template, conversation, variables) for conversation in source]
                results[file.stem][name] = {
                    'variables': variables, 'digests': ' '.join(digest(value) or '-' for value in texts),
                    'texts': texts[:IN_FULL],
                }
                print(file.stem, name, sum(value is None for value in texts), 'refused')
    write_json(FOLDER / 'rendered.json', {'tokens': TOKENS, 'templates': results}, levels=4)
    write_json(FOLDER / 'assistant-masks.json', assistant_masks(source[:60]), levels=2)


if __name__ == '__main__':
    main()
