"""The peer of test/bench/works/generate.ts: `generate` of transformers, in batches, with sdpa attention."""

import time

from measure import answer_figures, read_settings, report

import torch
import transformers


def main():
    settings = read_settings()
    torch.set_num_threads(settings['threads'])
    torch.manual_seed(0)
    dtype = torch.bfloat16 if settings.get('bf16') else torch.float32
    model = transformers.AutoModelForCausalLM.from_pretrained(settings['model'], dtype=dtype).eval()
    prompts, batch, tokens = settings['prompts'], settings['batch'], settings['tokens']
    greedy = settings['temperature'] == 0
    sampling = {'do_sample': False} if greedy else {
        'do_sample': True, 'temperature': settings['temperature'], 'top_p': settings['top_p'], 'top_k': 0,
    }
    # Without an end token every answer is as long as asked; that of the model's own configuration would fill in.
    model.generation_config.eos_token_id = None
    config = transformers.GenerationConfig(**sampling, max_new_tokens=tokens, pad_token_id=0)
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    answers = [None] * len(prompts)

    def answer_all():
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            longest = max(len(prompts[index]) for index in chosen)
            ids = torch.zeros(len(chosen), longest, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for row, index in enumerate(chosen):
                ids[row, longest - len(prompts[index]) :] = torch.tensor(prompts[index])
                mask[row, longest - len(prompts[index]) :] = 1
            output = model.generate(input_ids=ids, attention_mask=mask, generation_config=config)
            for row, index in enumerate(chosen):
                answers[index] = output[row, longest:].tolist()

    seconds = []
    with torch.inference_mode():
        for _ in range(settings['repeats'] + 1):
            start = time.perf_counter()
            answer_all()
            seconds.append(time.perf_counter() - start)
    report(
        answer_figures(seconds, prompts, answers, tokens),
        versions={'PyTorch': torch.__version__, 'transformers': transformers.__version__},
        **({'answers': answers} if greedy else {}),
    )


if __name__ == '__main__':
    main()
