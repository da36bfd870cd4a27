"""Writes the schema files after a change of the types or of words.toml: `python -m schemas.wire`."""

from schemas.wire.generate import HERE, SUFFIX, documents


def main() -> None:
    texts = documents()
    for path in HERE.glob(f"*{SUFFIX}"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (HERE / name).write_text(text, encoding="utf-8")
    print(f"{len(texts)} schemas written to {HERE}")


if __name__ == "__main__":
    main()
