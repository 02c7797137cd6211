"""One measurement of a peer for language models, in a process of its own; prints JSON. Started by bench_language.py.

    peer_language.py make FOLDER STEPS                the model, its GGUF files, batches and prompts that all measure with
    peer_language.py train f32|bf16 STEPS FOLDER      PyTorch: eager, AdamW, clipping; bf16 is autocast
    peer_language.py generate f32|bf16 BATCH FOLDER   transformers: `generate`, greedy; bf16 is a model in bfloat16
    peer_language.py llama f32|bf16 FOLDER            llama.cpp: the same at batch 1, through its C interface
    peer_language.py rates                            what the memory gives and what products reach: GB/s and GFLOP/s
"""
import json
import os
import pathlib
import random
import sys
import threading
import time

os.environ["HF_HUB_OFFLINE"] = "1"
THREADS = os.cpu_count()
# SmolLM2-135M
SHAPE = {"vocab_size": 49152, "hidden_size": 576, "num_hidden_layers": 30, "num_attention_heads": 9,
         "num_key_value_heads": 3, "intermediate_size": 1536, "max_position_embeddings": 2048,
         "tie_word_embeddings": True, "rms_norm_eps": 1e-5, "bos_token_id": 1, "eos_token_id": None}
WARM = 2  # steps before the clock starts
BATCH = 8
TARGETS = 15  # the loss is taken on so many tokens at the end of each sequence
PROMPTS = 32
PROMPT = 150  # tokens
NEW = 32


def read(folder, name):
    return json.loads(pathlib.Path(folder, name).read_text())


def make(folder, steps):
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM
    folder = pathlib.Path(folder)
    torch.manual_seed(1)
    model = LlamaForCausalLM(LlamaConfig(**SHAPE))
    model.save_pretrained(folder)
    # No text is read: ours only wants one to be there.
    Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a")).save(str(folder / "tokenizer.json"))
    rng = random.Random(1)
    sequence = lambda length: [rng.randrange(3, SHAPE["vocab_size"]) for _ in range(length)]
    # Like persona dialogues: a persona, some turns and a reply.
    length = lambda: min(260, max(60, round(rng.gauss(150, 45))))
    batches = [[sequence(length()) for _ in range(BATCH)] for _ in range(WARM + steps)]
    (folder / "batches.json").write_text(json.dumps(batches))
    (folder / "prompts.json").write_text(json.dumps([sequence(PROMPT) for _ in range(PROMPTS)]))
    for dtype in ("f32", "bf16"):
        write_gguf(folder / f"{dtype}.gguf", model.state_dict(), dtype)
    return {"parameters": sum(parameter.numel() for parameter in model.parameters())}


def write_gguf(path, tensors, dtype):
    """The model as llama.cpp reads it, without a vocabulary: matrices in this precision, norms in f32."""
    import gguf
    heads, head_width = SHAPE["num_attention_heads"], SHAPE["hidden_size"] // SHAPE["num_attention_heads"]
    kind = {"f32": gguf.GGMLQuantizationType.F32, "bf16": gguf.GGMLQuantizationType.BF16}[dtype]
    file = {"f32": gguf.LlamaFileType.ALL_F32, "bf16": gguf.LlamaFileType.MOSTLY_BF16}[dtype]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(SHAPE["max_position_embeddings"])
    writer.add_embedding_length(SHAPE["hidden_size"])
    writer.add_block_count(SHAPE["num_hidden_layers"])
    writer.add_feed_forward_length(SHAPE["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(SHAPE["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(SHAPE["rms_norm_eps"])
    writer.add_rope_dimension_count(head_width)
    writer.add_rope_freq_base(10_000.0)
    writer.add_vocab_size(SHAPE["vocab_size"])
    writer.add_tokenizer_model("none")
    writer.add_file_type(file)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, SHAPE["num_hidden_layers"])
    for name, tensor in tensors.items():
        if name == "lm_head.weight":  # tied
            continue
        data = tensor.float().numpy()
        if "q_proj" in name or "k_proj" in name:  # llama.cpp turns neighbours, transformers halves of a head
            halves = data.reshape(-1, 2, head_width // 2, data.shape[1])
            data = halves.swapaxes(1, 2).reshape(data.shape).copy()
        own = kind if data.ndim > 1 else gguf.GGMLQuantizationType.F32
        raw = data if own == gguf.GGMLQuantizationType.F32 else gguf.quantize(data, own)
        writer.add_tensor(names.get_name(name, (".weight",)), raw, raw_dtype=own)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def train(dtype, steps, folder):
    import torch
    from transformers import LlamaForCausalLM
    torch.set_num_threads(THREADS)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)
    batches, losses = read(folder, "batches.json")[:WARM + steps], []
    for step, batch in enumerate(batches):
        if step == WARM:
            begun, tokens = time.perf_counter(), 0
        width = max(map(len, batch))
        ids, mask = torch.zeros(len(batch), width, dtype=torch.long), torch.zeros(len(batch), width, dtype=torch.long)
        labels = torch.full_like(ids, -100)
        for row, sequence in enumerate(batch):
            ids[row, :len(sequence)] = torch.tensor(sequence)
            mask[row, :len(sequence)] = 1
            labels[row, len(sequence) - TARGETS:len(sequence)] = torch.tensor(sequence[-TARGETS:])
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if step >= WARM:
            tokens += sum(map(len, batch))
    seconds = time.perf_counter() - begun
    return {"rate": tokens / seconds, "step": seconds / steps, "loss": losses[0]}


def measured(continued):
    """The time in which prompts are read and the first token is chosen, and that of all tokens."""
    def timed(count):
        begun = time.perf_counter()
        ids = continued(count)
        return time.perf_counter() - begun, ids
    timed(2)
    first, _ = timed(1)
    whole, ids = timed(NEW)
    return {"first": first, "all": whole, "ids": ids}


def generate(dtype, batch, folder):
    import torch
    from transformers import LlamaForCausalLM
    torch.set_num_threads(THREADS)
    kind = {"f32": torch.float32, "bf16": torch.bfloat16}[dtype]
    model = LlamaForCausalLM.from_pretrained(folder, dtype=kind).eval()
    ids = torch.tensor(read(folder, "prompts.json")[:batch])
    mask = torch.ones_like(ids)

    def continued(count):
        with torch.inference_mode():
            found = model.generate(ids, attention_mask=mask, max_new_tokens=count, do_sample=False, pad_token_id=0)
        return found[:, ids.shape[1]:].tolist()
    return measured(continued)


def llama(dtype, folder):
    import llama_cpp
    import numpy
    llama_cpp.llama_backend_init()
    quiet = llama_cpp.llama_log_callback(lambda *_: None)
    llama_cpp.llama_log_set(quiet, None)
    path = str(pathlib.Path(folder, f"{dtype}.gguf")).encode()
    model = llama_cpp.llama_model_load_from_file(path, llama_cpp.llama_model_default_params())
    params = llama_cpp.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = 256, 256, 256
    params.n_threads = params.n_threads_batch = THREADS
    context = llama_cpp.llama_init_from_model(model, params)
    prompt = read(folder, "prompts.json")[0]

    def decode(ids):
        tokens = (llama_cpp.llama_token * len(ids))(*ids)  # the batch only points to it
        if llama_cpp.llama_decode(context, llama_cpp.llama_batch_get_one(tokens, len(ids))):
            sys.exit("llama.cpp did not decode")
        logits = llama_cpp.llama_get_logits_ith(context, -1)
        return int(numpy.ctypeslib.as_array(logits, shape=(SHAPE["vocab_size"],)).argmax())

    def continued(count):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(context), True)
        found = [decode(prompt)]
        while len(found) < count:
            found.append(decode(found[-1:]))
        return [found]
    return measured(continued)


def rates():
    """The best of five tries each: all threads read an array that no cache holds, and a product of large matrices."""
    import numpy
    import torch
    torch.set_num_threads(THREADS)
    parts = numpy.array_split(numpy.ones(1 << 28, numpy.float32), THREADS)

    def read_all():
        threads = [threading.Thread(target=part.max) for part in parts]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    def best(work):
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
        return min(times)
    size, found = 1024, {"bandwidth": sum(part.nbytes for part in parts) / best(read_all) / 1e9}
    for dtype, kind in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        a, b = torch.rand(size, size).to(kind), torch.rand(size, size).to(kind)
        found[dtype] = 2 * size**3 / best(lambda: a @ b) / 1e9
    return found


if __name__ == "__main__":
    modes = {"make": make, "train": train, "generate": generate, "llama": llama, "rates": rates}
    arguments = [int(part) if part.isdigit() else part for part in sys.argv[2:]]
    print(json.dumps(modes[sys.argv[1]](*arguments)))
