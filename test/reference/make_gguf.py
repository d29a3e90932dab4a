"""GGUF as the `gguf` package of llama.cpp writes and reads it.

gguf/blocks.json          random blocks of each tensor type, as bytes and as the float32 values that they stand for;
                          values and their Q8_0 blocks. Bytes in base64, little-endian
gguf/llama.gguf           models/llama in F16, fields and tensors in the order of llama.cpp's converter
gguf/qwen2.gguf           models/qwen2 in Q8_0
gguf/sentencepiece.gguf   a vocabulary of SentencePiece's kind, without tensors
gguf/tokenizers.json      texts; their ids by that vocabulary; and by the tokenizer of models/llama with the text cut as
                          each name of `tokenizer.ggml.pre` stands for
"""

import base64
import json

from reference import FIXTURES, MODELS, write_json

import gguf
import numpy
from gguf import GGMLQuantizationType as Type
from gguf import TokenType
from safetensors.numpy import load_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

FOLDER = FIXTURES / 'gguf'
PARTS = {
    'input_layernorm': 'attn_norm',
    'mlp.down_proj': 'ffn_down',
    'mlp.gate_proj': 'ffn_gate',
    'mlp.up_proj': 'ffn_up',
    'post_attention_layernorm': 'ffn_norm',
    'self_attn.k_proj': 'attn_k',
    'self_attn.o_proj': 'attn_output',
    'self_attn.q_proj': 'attn_q',
    'self_attn.v_proj': 'attn_v',
}
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = [
    'What is 47 plus 38? Answer: 85.',
    "I'm sure THEY'LL don't, it's 12345 and 6 7 89",
    '  two spaces,\ttabs\n\n\nand lines \n end  ',
    'naïve café 漢字かな 🙂🚀 ﬁ',
    '<|im_start|>user\nhi<|im_end|>\nthe cat',
    'a==b && c != d; $x += 3.14 (ok) [1] {2} ^~| <tag>',
    '',
    ' ',
]


def text(data):
    return base64.b64encode(numpy.ascontiguousarray(data).tobytes()).decode()


def make_blocks():
    generator = numpy.random.default_rng(7)
    cases = {}
    for kind in (Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q8_0, Type.Q4_K, Type.Q6_K):
        length, size = gguf.GGML_QUANT_SIZES[kind]
        if length == 1:
            values = generator.standard_normal((4, 16)).astype(numpy.float32)
            data = gguf.quants.quantize(values, kind).view(numpy.uint8)
        else:
            data = generator.integers(0, 256, (4, size), dtype=numpy.uint8)
            scales = {Type.Q6_K: [208], Type.Q4_1: [0, 2], Type.Q4_K: [0, 2]}.get(kind, [0])
            for at in scales:
                halves = (0.05 * generator.standard_normal(4)).astype(numpy.float16)
                data[:, at : at + 2] = halves.view(numpy.uint8).reshape(4, 2)
        cases[kind.name] = {'bytes': text(data), 'values': text(gguf.quants.dequantize(data, kind).astype(numpy.float32))}
    values = generator.standard_normal((6, 32)).astype(numpy.float32) * 10.0 ** numpy.arange(-3, 3)[:, None].astype(numpy.float32)
    values[2] = 0
    values[3] = numpy.round(values[3] * 2) / 2
    values = values.astype(numpy.float32)
    quantised = {'values': text(values), 'bytes': text(gguf.quants.quantize(values, Type.Q8_0))}
    write_json(FOLDER / 'blocks.json', {'dequantise': cases, 'quantise': {'Q8_0': quantised}})


def pairs(weight, heads):
    """Rows from halves of a head to pairs, as llama.cpp rotates them."""
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def gguf_name(name):
    outer = {'model.embed_tokens': 'token_embd', 'model.norm': 'output_norm', 'lm_head': 'output'}
    stem, suffix = name.rsplit('.', 1)
    if stem in outer:
        return f'{outer[stem]}.{suffix}'
    _, _, layer, part = stem.split('.', 3)
    return f'blk.{layer}.{PARTS[part]}.{suffix}'


def write_tokenizer(writer, folder):
    tokenizer = json.loads((folder / 'tokenizer.json').read_text())
    config = json.loads((folder / 'tokenizer_config.json').read_text())
    vocabulary = tokenizer['model']['vocab']
    special = {token['content'] for token in tokenizer['added_tokens']}
    tokens = sorted(vocabulary, key=vocabulary.get)
    writer.add_tokenizer_model('gpt2')
    writer.add_tokenizer_pre('qwen2')
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens])
    writer.add_token_merges([' '.join(merge) for merge in tokenizer['model']['merges']])
    writer.add_eos_token_id(vocabulary[config['eos_token']])
    writer.add_pad_token_id(vocabulary[config['pad_token']])
    writer.add_chat_template((folder / 'chat_template.jinja').read_text())


def make_model(name, arch, kind, file_type):
    config = json.loads((MODELS / name / 'config.json').read_text())
    heads, key_value_heads = config['num_attention_heads'], config['num_key_value_heads']
    writer = gguf.GGUFWriter(FOLDER / f'{name}.gguf', arch)
    writer.add_type('model')
    writer.add_block_count(config['num_hidden_layers'])
    writer.add_context_length(config['max_position_embeddings'])
    writer.add_embedding_length(config['hidden_size'])
    writer.add_feed_forward_length(config['intermediate_size'])
    writer.add_head_count(heads)
    writer.add_head_count_kv(key_value_heads)
    writer.add_rope_freq_base(config['rope_parameters']['rope_theta'])
    writer.add_layer_norm_rms_eps(config['rms_norm_eps'])
    head_size = config['hidden_size'] // heads
    writer.add_key_length(head_size)
    writer.add_value_length(head_size)
    writer.add_file_type(file_type)
    writer.add_vocab_size(config['vocab_size'])
    writer.add_rope_dimension_count(head_size)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    write_tokenizer(writer, MODELS / name)
    for tensor, weight in sorted(load_file(MODELS / name / 'model.safetensors').items()):
        if arch == 'llama' and '.q_proj.' in tensor:
            weight = pairs(weight, heads)
        if arch == 'llama' and '.k_proj.' in tensor:
            weight = pairs(weight, key_value_heads)
        own = kind if weight.ndim > 1 else Type.F32
        writer.add_tensor(gguf_name(tensor), gguf.quants.quantize(weight, own), raw_dtype=own)
    finish(writer)


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def make_sentencepiece():
    """Byte-pair encoding with SentencePiece's spaces and bytes; the scores count down as the merges do."""
    special = ['<unk>', '<s>', '</s>']
    tokenizer = Tokenizer(models.BPE(unk_token='<unk>', fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')])
    tokenizer.train_from_iterator(TEXTS[:3] + ['the cat and the dog are at the end of the land'] * 3, trainers.BpeTrainer(
        vocab_size=420, special_tokens=special + [f'<0x{byte:02X}>' for byte in range(256)], show_progress=False,
    ))
    trained = json.loads(tokenizer.to_str())
    vocabulary = trained['model']['vocab']
    merged = {''.join(merge): -float(rank) for rank, merge in reversed(list(enumerate(trained['model']['merges'])))}
    tokens = sorted(vocabulary, key=vocabulary.get)

    def type_of(token):
        if token in special:
            return TokenType.UNKNOWN if token == '<unk>' else TokenType.CONTROL
        return TokenType.BYTE if len(token) == 6 and token.startswith('<0x') else TokenType.NORMAL

    trained['added_tokens'] = [token for token in trained['added_tokens'] if token['content'] in special]
    trained['decoder'] = json.loads(decoders.Sequence([
        decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(' ', 1, 0),
    ]).__getstate__())
    tokenizer = Tokenizer.from_str(json.dumps(trained))
    tokenizer.post_processor = processors.TemplateProcessing('<s> $A', special_tokens=[('<s>', 1)])

    writer = gguf.GGUFWriter(FOLDER / 'sentencepiece.gguf', 'llama')
    writer.add_tokenizer_model('llama')
    writer.add_token_list(tokens)
    writer.add_token_scores([merged.get(token, -1e6) for token in tokens])
    writer.add_token_types([type_of(token) for token in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    finish(writer)
    return tokenizer


def cut_as(tokenizer, pre):
    """models/llama's tokenizer, the text cut as the models do for which llama.cpp has the name."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    split = lambda pattern: pre_tokenizers.Split(Regex(pattern), behavior='isolated')
    cuts = {
        'qwen2': None,
        'llama-bpe': [split(LLAMA3), byte_level],
        'smollm': [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)],
        'gpt-2': [pre_tokenizers.ByteLevel(add_prefix_space=False)],
    }[pre]
    value = json.loads(tokenizer.to_str())
    value['model']['ignore_merges'] = pre == 'llama-bpe'
    cut = Tokenizer.from_str(json.dumps(value))
    if cuts is not None:
        cut.normalizer = normalizers.Sequence([])
        cut.pre_tokenizer = pre_tokenizers.Sequence(cuts)
    return cut


def make_tokenizers(sentencepiece):
    ids = lambda tokenizer, special: [tokenizer.encode(line, add_special_tokens=special).ids for line in TEXTS]
    base = Tokenizer.from_file(str(MODELS / 'llama' / 'tokenizer.json'))
    write_json(FOLDER / 'tokenizers.json', {
        'texts': TEXTS,
        'sentencepiece': {
            'ids': ids(sentencepiece, False),
            'with_bos': ids(sentencepiece, True),
            'decoded': [sentencepiece.decode(row, skip_special_tokens=False) for row in ids(sentencepiece, False)],
        },
        'pre': {pre: ids(cut_as(base, pre), False) for pre in ('qwen2', 'llama-bpe', 'smollm', 'gpt-2')},
    }, levels=3)


if __name__ == '__main__':
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_blocks()
    make_model('llama', 'llama', Type.F16, gguf.LlamaFileType.MOSTLY_F16)
    make_model('qwen2', 'qwen2', Type.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0)
    make_tokenizers(make_sentencepiece())
