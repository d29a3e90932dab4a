"""Small tokenizers with the pipelines of the families, and what AutoTokenizer makes of a thousand odd strings with them.

tokenizers/<name>/             tokenizer.json, tokenizer_config.json and a config.json that names the family
tokenizers/strings.json        the strings (odd_strings.py)
tokenizers/<name>/ids.json     `before`, the ids put before a text; per string: its ids, two characters each; where they
                               differ from the string, what the ids decode to, with and without special tokens, and what
                               they decode to without the first and last; `offsets`, a digest for each string of its
                               tokens' offsets in UTF-16 units, four characters each

Pre-tokenizers, normalizers, decoders and flags are those of the families' own tokenizer.json. The vocabulary is small, and
its merges were learned from the strings themselves, as if nothing split them.
"""

import json
import shutil

from odd_strings import RARE, odd_strings
from reference import FIXTURES, write_json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

FOLDER = FIXTURES / 'tokenizers'
BYTE_LEVEL_SIZE = 640
SENTENCEPIECE_SIZE = 640
LONGEST = 5
# All else becomes its bytes.
ALPHABET_KEPT = {*map(chr, range(0x20, 0x7F)), *'éßя日\u2581\n'}
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
LLAMA3 = QWEN2.replace(r'\p{N}|', r'\p{N}{1,3}|')
TEKKEN = (
    r'[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+'
    r'|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*'
    r'|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+'
)
CORPUS = [
    "What is the capital of France? The capital of France is Paris. Hello world, hello World! I'm sure it's fine.",
    "We'll see what they've done; don't ask. WE'LL SEE. The user asks and the assistant answers. user assistant system",
    'What is 12345 plus 678? Answer: 13023. In 2024 it was 100 or 200 or 300.',
    'Write a short story about a cat that sat on the mat and watched the rain.\n\nThe end.\n\n\nNew line.\r\nAnd tab\there.',
    'def f(x):\n    return x ** 2\n\nprint(f(3))  # https://example.org/path?query=1',
    'Café naïve straße über señor. Привет, мир! Ελλάδα. 日本語 中文 한국어. مرحبا שלום नमस्ते 😀',
]
STRINGS = odd_strings([
    '<s>', '</s>', '<unk>', '<|im_start|>', '<|im_end|>', '<|endoftext|>', '<|begin_of_text|>', '<|eot_id|>', '[INST]', '[/INST]',
    '<start_of_turn>', '<end_of_turn>', '<mask>', '<left>', '<right>', '<word>', '<norm> al', '<think>',
])


def special(content, **flags):
    return AddedToken(content, **{'special': True, 'normalized': False, **flags})


def byte_level(pre_tokenizer, tokens, normalizer=None, post_processor=None, ignore_merges=False):
    trained = Tokenizer(models.BPE())
    # Trained without a split: its merges cross every boundary, so that where a text is split shows in the ids.
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trained.train_from_iterator(CORPUS + STRINGS + 20 * RARE, trainers.BpeTrainer(
        vocab_size=BYTE_LEVEL_SIZE, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), max_token_length=LONGEST,
        show_progress=False,
    ))
    model = json.loads(trained.to_str())['model']
    if ignore_merges:
        # Tokens that no merge makes: found whole, or not at all.
        for token in ('France', 'Ġassistant', 'Ġquestion', 'HELLO'):
            model['vocab'][token] = len(model['vocab'])
    tokenizer = Tokenizer(models.BPE(
        vocab=model['vocab'], merges=[tuple(merge) for merge in model['merges']], ignore_merges=ignore_merges,
    ))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_tokens(tokens)
    tokenizer.post_processor = post_processor(tokenizer) if post_processor else processors.ByteLevel(trim_offsets=False)
    return tokenizer


def split(pattern):
    return pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), behavior='isolated'),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])


def starts_with(token):
    return lambda tokenizer: processors.TemplateProcessing(
        single=f'{token} $A', pair=f'{token} $A {token} $B', special_tokens=[(token, tokenizer.token_to_id(token))],
    )


def sentencepiece(first, normalizer, pre_tokenizer, strips, tokens):
    """As the converted SentencePiece models: control tokens, 256 bytes, pieces; most characters have none."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(' ', '\u2581')
    head = [*first, *(f'<0x{byte:02X}>' for byte in range(256))]
    # `limit_alphabet` would choose among equally frequent characters by chance.
    known = [''.join(character for character in text if character in ALPHABET_KEPT) for text in CORPUS + STRINGS]
    trained.train_from_iterator(known, trainers.BpeTrainer(
        vocab_size=SENTENCEPIECE_SIZE, special_tokens=head, max_token_length=LONGEST, show_progress=False,
    ))
    model = json.loads(trained.to_str())['model']
    vocabulary, merges = model['vocab'], [tuple(merge) for merge in model['merges']]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, unk_token='<unk>', fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    steps = [decoders.Replace('\u2581', ' '), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence(steps + ([decoders.Strip(content=' ', left=1)] if strips else []))
    tokenizer.add_special_tokens([special(token) for token in first])
    tokenizer.add_tokens(tokens)
    tokenizer.post_processor = starts_with('<bos>' if '<bos>' in first else '<s>')(tokenizer)
    return tokenizer


def llama2():
    normalizer = normalizers.Sequence([normalizers.Prepend('\u2581'), normalizers.Replace(' ', '\u2581')])
    return sentencepiece(['<unk>', '<s>', '</s>'], normalizer, None, True, [])


def families():
    """name -> tokenizer, model_type, tokenizer_config."""
    llama_config = {
        'tokenizer_class': 'LlamaTokenizer', 'bos_token': '<s>', 'eos_token': '</s>', 'unk_token': '<unk>',
        'add_bos_token': True, 'add_eos_token': False,
    }
    chatml = [special(token) for token in ('<|endoftext|>', '<|im_start|>', '<|im_end|>')]
    yield 'llama2', llama2(), 'llama', {**llama_config, 'legacy': False}
    yield 'llama2-legacy', llama2(), 'llama', {**llama_config, 'legacy': True}
    mistral = llama2()
    # Looked for in the normalised text, where their spaces are not spaces any more.
    mistral.add_tokens([AddedToken('<norm> al', normalized=True), AddedToken('<think>', normalized=True)])
    yield 'mistral-v1', mistral, 'mistral', {**llama_config, 'legacy': False}
    yield 'mistral-tekken', byte_level(
        split(TEKKEN), [special(token) for token in ('<unk>', '<s>', '</s>', '[INST]', '[/INST]')],
        post_processor=starts_with('<s>'), ignore_merges=True,
    ), 'mistral', {
        'tokenizer_class': 'PreTrainedTokenizerFast', 'bos_token': '<s>', 'eos_token': '</s>', 'unk_token': '<unk>',
        'add_bos_token': True, 'add_eos_token': False, 'add_prefix_space': False,
    }
    yield 'llama3', byte_level(
        split(LLAMA3), [special(token) for token in ('<|begin_of_text|>', '<|end_of_text|>', '<|eot_id|>')], ignore_merges=True,
        post_processor=lambda tokenizer: processors.Sequence([
            processors.ByteLevel(trim_offsets=False), starts_with('<|begin_of_text|>')(tokenizer),
        ]),
    ), 'llama', {
        'tokenizer_class': 'PreTrainedTokenizerFast', 'bos_token': '<|begin_of_text|>', 'eos_token': '<|eot_id|>',
        'clean_up_tokenization_spaces': True,
    }
    yield 'qwen2', byte_level(
        split(QWEN2), chatml + [AddedToken('<think>', normalized=False)], normalizer=normalizers.NFC(),
    ), 'qwen2', {
        'tokenizer_class': 'Qwen2Tokenizer', 'bos_token': None, 'eos_token': '<|im_end|>', 'pad_token': '<|endoftext|>',
        'unk_token': None, 'add_bos_token': False, 'add_prefix_space': False,
    }
    yield 'smollm2', byte_level(
        pre_tokenizers.Sequence([
            pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]), chatml,
    ), 'llama', {
        'tokenizer_class': 'GPT2Tokenizer', 'bos_token': '<|im_start|>', 'eos_token': '<|im_end|>', 'pad_token': '<|im_end|>',
        'unk_token': '<|endoftext|>', 'add_prefix_space': False,
    }
    yield 'gemma3', sentencepiece(
        ['<pad>', '<eos>', '<bos>', '<unk>', '<mask>'], normalizers.Replace(' ', '\u2581'),
        pre_tokenizers.Split(' ', behavior='merged_with_previous'), False,
        [special(token) for token in ('<start_of_turn>', '<end_of_turn>')]
        + [AddedToken('\n' * count, normalized=False) for count in range(1, 6)]
        + [AddedToken('\u2581' * count, normalized=False) for count in range(2, 5)]
        + [AddedToken('\t', normalized=False), AddedToken('<h1>', normalized=False)],
    ), 'gemma3_text', {
        'tokenizer_class': 'GemmaTokenizer', 'bos_token': '<bos>', 'eos_token': '<eos>', 'pad_token': '<pad>', 'unk_token': '<unk>',
        'mask_token': '<mask>', 'add_bos_token': True, 'add_eos_token': False,
    }
    # No family's: every flag of an added token, some named by tokenizer_config.json alone; offsets without their spaces.
    flagged = byte_level(
        pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True),
        [special('<mask>', lstrip=True), special('<left>', lstrip=True), AddedToken('<right>', rstrip=True, normalized=False)],
        post_processor=lambda _: processors.ByteLevel(trim_offsets=True, add_prefix_space=True),
    )
    flags = {'special': False, 'lstrip': False, 'rstrip': False, 'single_word': False, 'normalized': False}
    size = flagged.get_vocab_size()
    yield 'flags', flagged, 'gpt_neox', {
        'tokenizer_class': 'PreTrainedTokenizerFast', 'eos_token': '</s>', 'mask_token': '<mask>',
        'added_tokens_decoder': {
            str(size): {**flags, 'content': '<word>', 'single_word': True},
            str(size + 1): {**flags, 'content': 'cat', 'single_word': True, 'normalized': True},
            str(size + 2): {**flags, 'content': '<think>', 'lstrip': True, 'rstrip': True},
            str(size + 3): {**flags, 'content': '</s>', 'special': True},
        },
    }


ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'


def packed(ids):
    assert all(0 <= value < 4096 for value in ids)
    return ''.join(ALPHABET[value // 64] + ALPHABET[value % 64] for value in ids)


def utf16(text, offsets):
    starts = [0]
    for character in text:
        starts.append(starts[-1] + (2 if ord(character) > 0xFFFF else 1))
    return [starts[place] for pair in offsets for place in pair]


def digest(values):
    """24 bits, as four characters."""
    total = 0
    for value in values:
        total = (total * 31 + value + 1) & 0xFFFFFF
    return packed([total >> 12, total & 0xFFF])


def describe(tokenizer):
    rows = []
    offsets = ''
    before = tokenizer('')['input_ids']
    for text in STRINGS:
        ids = tokenizer(text, add_special_tokens=False)['input_ids']
        whole = tokenizer(text)['input_ids']
        assert whole == before + ids, (text, whole, ids)
        offsets += digest(utf16(text, tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).offsets))
        row = {'ids': packed(ids)}
        decoded = tokenizer.decode(ids, skip_special_tokens=False)
        if decoded != text:
            row['decoded'] = decoded
        skipped = tokenizer.decode(ids, skip_special_tokens=True)
        if skipped != decoded:
            row['skipped'] = skipped
        if len(rows) % 8 == 0 and len(ids) > 2:
            row['inner'] = tokenizer.decode(ids[1:-1], skip_special_tokens=False)
        rows.append(row)
    return {'before': before, 'offsets': offsets, 'rows': rows}


def main():
    shutil.rmtree(FOLDER, ignore_errors=True)
    write_json(FOLDER / 'strings.json', STRINGS, levels=1)
    for name, tokenizer, model_type, config in families():
        folder = FOLDER / name
        folder.mkdir(parents=True)
        (folder / 'tokenizer.json').write_text(
            json.dumps(json.loads(tokenizer.to_str()), separators=(',', ':'), ensure_ascii=False) + '\n', encoding='utf-8'
        )
        write_json(folder / 'tokenizer_config.json', config, levels=1)
        write_json(folder / 'config.json', {'model_type': model_type}, levels=0)
        loaded = AutoTokenizer.from_pretrained(folder)
        print(name, type(loaded).__name__, len(loaded))
        write_json(folder / 'ids.json', describe(loaded), levels=2)


if __name__ == '__main__':
    main()
