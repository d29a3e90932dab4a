"""Loads adapters that Flow wrote into PEFT and compares the logits.

    FLOW_ADAPTERS_OUT=/tmp/adapters npx vitest run test/stages/adapter-exchange.test.ts
    VENV/bin/python test/reference/check_adapters.py /tmp/adapters

Each folder in it is an adapter, with `flow.json` beside it: the model's name in `models/`, token ids, Flow's logits. Exits
with 1 where PEFT misses or ignores a tensor, or where a logit differs by more than 1e-4.
"""

import json
import pathlib
import sys
import warnings

from reference import MODELS

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

TOLERANCE = 1e-4


def base(name):
    sees = 'vision_config' in json.loads((MODELS / name / 'config.json').read_text())
    return (AutoModelForImageTextToText if sees else AutoModelForCausalLM).from_pretrained(MODELS / name, dtype=torch.float32)


def check(folder):
    expected = json.loads((folder / 'flow.json').read_text())
    # PEFT warns where the file and the modules that it adapts do not fit; here that is an error.
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        warnings.filterwarnings('error', message='.*(missing adapter keys|not found|unexpected).*')
        model = PeftModel.from_pretrained(base(expected['model']), folder).eval()
    ids = torch.tensor([expected['input_ids']])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0]
        merged = model.merge_and_unload()(input_ids=ids).logits[0]
    theirs = torch.tensor(expected['logits'])
    return (logits - theirs).abs().max().item(), (merged - theirs).abs().max().item()


def main(folder):
    failed = False
    for adapter in sorted(path.parent for path in pathlib.Path(folder).glob('*/flow.json')):
        beside, merged = check(adapter)
        failed |= not max(beside, merged) <= TOLERANCE
        print(f'{adapter.name}: largest difference {beside:.1e}, merged {merged:.1e}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
