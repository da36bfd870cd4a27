"""The texts of words.toml."""

import tomllib
from pathlib import Path
from typing import Any

WORDS: dict[str, Any] = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
TEXT: dict[str, str] = {name: text.strip("\n") for name, text in WORDS["text"].items()}
