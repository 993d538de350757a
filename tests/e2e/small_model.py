"""A repository with all that a model's has, in two megabytes. Nothing can serve it: it is for downloads."""

from hub import RepositoryFile

NAME = "org/small-model"
COMMIT = "7ae557604adf67be50417f59c2c2f167def9a775"
WEIGHTS = bytes(range(256)) * 8192  # 2 MiB
FILES = (
    RepositoryFile("README.md", b"# A model"),
    RepositoryFile("config.json", b'{"model_type": "qwen2"}'),
    RepositoryFile("model.safetensors", WEIGHTS, large=True),
    RepositoryFile("consolidated.safetensors", WEIGHTS, large=True),
    RepositoryFile("modeling_small.py", b"class Small: ..."),
    RepositoryFile("onnx/model.json", b"{}"),
    RepositoryFile("pytorch_model.bin", b"not this" * 1000, large=True),
    RepositoryFile("tokenizer.json", b"{}" * 500),
)
