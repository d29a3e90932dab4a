"""A thousand strings that tokenizers stumble over, from a seeded generator."""

import random
import unicodedata

COUNT = 1000

# Where expressions of one notation and another part: folded letters, white space, characters newer than a library.
RARE = [
    "we'\u017ft we'\u017ft", '!\u0085! !\u0085!', '!\ufeff! !\ufeff!', 'a\u0085b a\u0085b', 'x\u0085 x\u0085', 'a\ufeff a\ufeff', '\ufeff \ufeff x', ' \u088f \u088f', 'a\u088fb a\u088fb',
    '\U000323b0\U000323b0 \U000323b0\U000323b0', '1\U00011de01 1\U00011de01', '1\u00b2 1\u00b2', "x'S x'S", "'RE 'RE", 'a\u0301\u00e4 a\u0301\u00e4',
]

# What somebody once got wrong.
KNOWN = [
    *RARE,
    '', ' ', '  ', '   ', '\n', '\n\n', '\n\n\n', '\r\n', '\r', '\t', '\t\t', ' \n', '\n ', ' \t\n ', '\u00a0', '\u2003', '\u3000',
    '\u0085', '\ufeff', 'a\ufeffb', '\u200b', 'a\u200bb', '\u200d', '\u2028', '\u2029', '\ufffd', '\ufffd\ufffd', '\x00', 'a\x00b',
    '\x1b[0m', '\x7f', '\u2581', '\u2581\u2581', ' \u2581a', 'a\u2581b', '\u0120', '\u010a', ' a', 'a ', '  a', 'a  ', '  a  b  ',
    'Hello', 'hello world', 'Hello, World!', "I'm", "I'M", "we'll", "WE'LL", "don't", "DON'T", "it's", "IT'S", "they've", "THEY'RE",
    "you'd", "o'clock", "'s", "'S", "''s", "x'\u017f", "x'\u212a", '\u2019s', "'", "''", '"', '``', "rock 'n' roll", "'twas",
    '0', '1', '12', '123', '1234', '12345', '1234567890' * 3, '1,234,567.89', '3.14159', '\u0663\u0664\u0665', '\u00bd', '\u2167',
    '\u00b2\u00b3', '\u2460\u2461', '\uff11\uff12', '\U0001d7d8\U0001d7d9', '1e-5', '0x1F', '2024-07-26', '12:34:56', '+49 (0)30 123',
    'caf\u00e9', 'cafe\u0301', '\u00c5', 'A\u030a', '\u1e69', 's\u0323\u0307', 's\u0307\u0323', '\ufb01', '\u1100\u1161\u11a8',
    '\ud55c\uae00', '\u0958', '\u0344', '\u212b', '\u2126', 'e' + '\u0301' * 5, '\u0301', '\u0301a', '\u0e01\u0e33', '\u0f71\u0f72',
    '\u65e5\u672c\u8a9e', '\u4e2d\u6587 English \u6df7\u5408', '\u3053\u3093\u306b\u3061\u306f', '\uff21\uff22', '\u3002\u3001', '\U00020000',
    '\u0645\u0631\u062d\u0628\u0627', '\u05e9\u05dc\u05d5\u05dd', '\u0645\u064e\u0631\u0652', '\u202eabc\u202c', '\u0928\u092e\u0938\u094d\u0924\u0947', '\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35',
    '\U0001f600', '\U0001f600\U0001f600', '\U0001f469\u200d\U0001f469\u200d\U0001f467', '\U0001f44d\U0001f3fd', '\U0001f1e9\U0001f1ea', '1\ufe0f\u20e3', '\u2764\ufe0f', '\u263a', ' \U0001f600', 'a\U0001f600b',
    'https://example.org/a/b?c=d&e=%20f#g', 'user@example.org', 'C:\\Users\\x', '/usr/bin/env', '../a.b', '#!/bin/sh', '<html></html>',
    'def f(x):\n    return x ** 2\n', 'if (a && b) {\n\treturn c[i++];\r\n}', '\t\tindented', '    four', 'a    b', 'x = {"k": [1, 2]}',
    'SELECT * FROM t;', 'a_b_c', 'camelCaseString', 'HTTPServer2', 'snake_case_1', 'kebab-case', '...', '?!?!', '-----', '=====', '////',
    '!/\n/', 'a/\n/b', '\n/', '$$x^2$$', '\\alpha', '\\n', '&amp;', '<0x0A>', '<0xE2>', '<0xFF>', '<unk>', '<s>', '</s>', '<pad>',
    'ABC', 'AbC', 'aBC', 'ABCdef', 'ABc', 'ÀÉÎ', 'Straße', 'STRASSE', '\u01c5', '\u02b0', '\u0250', 'ﬀ', 'İ', 'ı', 'ǅ', 'ß',
    'newline at end\n', '\nnewline at start', 'two\n\nparagraphs', 'three\n\n\nbreaks', 'trailing space \n next', 'tab\tbetween',
    'word' * 40, 'a' * 300, ' ' * 40, '\n' * 20, '. ' * 20, '!' * 60, '\u4e00' * 30, '\U0001f600' * 12, 'x\u0301' * 20,
]

WORDS = (
    'the a of and cat sat mat rain story answer question capital France Paris model token user assistant system '
    'hello world Hello World HELLO I we don don\'t can\'t it\'s IT\'S they\'re We\'ll code def return import print '
    'straße café naïve Ångström über señor Привет мир Ελλάδα שלום مرحبا नमस्ते สวัสดี 日本語 中文 한국어 こんにちは tiếng Việt'
).split(' ')
SPACES = [' ', '  ', '   ', '\n', '\n\n', '\r\n', '\t', ' \n', '\n  ', '\u00a0', '\u2009', '\u3000', '', '']
MARKS = list('.,;:!?-_/\\()[]{}<>@#$%^&*+=|~`"\'') + ['...', '—', '–', '…', '“', '”', '’', '„', '«', '»', '。', '،', '¿', '£', '€', '°', '\u200b', '\ufffd', '▁', '→', '∑']


def assigned(generator, low, high):
    while True:
        character = chr(generator.randrange(low, high))
        if unicodedata.category(character) not in ('Cn', 'Cs', 'Co'):
            return character


def piece(generator, special_tokens):
    kind = generator.randrange(16)
    if kind < 5:
        return generator.choice(WORDS)
    if kind < 7:
        return generator.choice(MARKS)
    if kind == 7:
        return ''.join(generator.choice('0123456789') for _ in range(generator.randrange(1, 9)))
    if kind == 8:
        return ''.join(assigned(generator, 0x20, 0x250) for _ in range(generator.randrange(1, 5)))
    if kind == 9:
        return ''.join(assigned(generator, 0x250, 0x2000) for _ in range(generator.randrange(1, 4)))
    if kind == 10:
        return ''.join(assigned(generator, 0x2000, 0x10000) for _ in range(generator.randrange(1, 4)))
    if kind == 11:
        return assigned(generator, 0x10000, 0x20000)
    if kind == 12:
        return generator.choice(['e', 'a', 'o', 'K', 'が', 'क']) + ''.join(chr(generator.randrange(0x300, 0x340)) for _ in range(generator.randrange(1, 4)))
    if kind == 13:
        return generator.choice(special_tokens)
    if kind == 14:
        return generator.choice(['\U0001f600', '\U0001f468\u200d\U0001f4bb', '\U0001f44b\U0001f3fe', '\u2708\ufe0f', '\U0001f3f4\u200d\u2620\ufe0f'])
    return ''.join(chr(generator.randrange(0x20)) for _ in range(generator.randrange(1, 3)))


def odd_strings(special_tokens):
    """`special_tokens` are strewn among the rest; the same list gives the same strings."""
    generator = random.Random(20240726)
    strings = list(KNOWN)
    for token in special_tokens:
        strings += [token, f' {token} ', f'a{token}b', f'\n{token}\n', f'{token}{token}', f' a  {token}  b ']
    while len(strings) < COUNT:
        text = ''
        for _ in range(generator.randrange(1, 9)):
            text += piece(generator, special_tokens) + generator.choice(SPACES)
        strings.append(text)
    assert len(strings) == COUNT, len(strings)
    return strings
