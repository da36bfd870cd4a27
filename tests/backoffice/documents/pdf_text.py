"""Extracts the text of a PDF of the typesetter, page by page, from the glyphs that it draws."""

import re
import zlib

_OBJECT = re.compile(rb"(?:^|\n)(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_STREAM = re.compile(rb"\nstream\n(.*)\nendstream", re.DOTALL)
_MAPPED = re.compile(rb"<([0-9A-F]{4})> <([0-9A-F]+)>")
# Chooses a font, ends a run, or begins a string, which is shown unless it is a property such as /ActualText.
_SIGN = re.compile(rb"/(f\d+) \S+ Tf|\b(ET)\b|(/[A-Za-z]+ ?)?\(")
_IN_STRING = re.compile(rb"\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_NAMED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages_of(pdf: bytes) -> list[str]:
    """The text of each page in the order in which it is drawn, one run of glyphs a line. A zero-width space, which only
    lets a line break, is left out; a glyph that stands for no character is U+FFFD.
    """
    objects = {int(number): body for number, body in _OBJECT.findall(pdf)}
    order = next(body for body in objects.values() if b"/Type/Pages" in body)
    return [_text(objects, page) for page in _references(order, rb"/Kids\[([^]]*)\]")]


def fonts_of(pdf: bytes) -> set[str]:
    """The names of the fonts inside, without the prefix of a subset."""
    return {name.decode().rpartition("+")[2] for name in re.findall(rb"/FontName/([^/ ]+)", pdf)}


def metadata_of(pdf: bytes) -> dict[str, str]:
    pairs = re.findall(rb"/(Title|Author|CreationDate|ModDate)\(([^)]*)\)", pdf)
    return {name.decode(): value.decode() for name, value in pairs}


def _text(objects: dict[int, bytes], number: int) -> str:
    page = objects[number]
    resources = objects[_reference(page, rb"/Resources (\d+) 0 R")]
    fonts = {name: _characters(objects, int(font)) for name, font in re.findall(rb"/(f\d+) (\d+) 0 R", resources)}
    runs, glyphs = [""], dict[bytes, str]()
    content = _stream(objects[_reference(page, rb"/Contents (\d+) 0 R")])
    place = 0
    while sign := _SIGN.search(content, place):
        place = sign.end()
        if sign[1]:
            glyphs = fonts[sign[1]]
        elif sign[2]:
            runs.append("")
        else:
            codes, place = _string(content, place)
            if sign[3]:
                continue
            runs[-1] += "".join(glyphs.get(codes[i : i + 2], "\ufffd") for i in range(0, len(codes), 2))
    return "\n".join(line.replace("\u200b", "") for line in runs if line)


def _string(content: bytes, start: int) -> tuple[bytes, int]:
    """The bytes of the string that begins at `start`, and the index after it. Paired parentheses are not escaped."""
    depth = 1
    for sign in _IN_STRING.finditer(content, start):
        depth += {b"(": 1, b")": -1}.get(sign[0], 0)
        if depth == 0:
            return _ESCAPED.sub(_unescaped, content[start : sign.start()]), sign.end()
    raise AssertionError("a string has no end")


def _characters(objects: dict[int, bytes], number: int) -> dict[bytes, str]:
    """Glyph to text, from the font's ToUnicode map."""
    mapped = _stream(objects[_reference(objects[number], rb"/ToUnicode (\d+) 0 R")])
    return {
        bytes.fromhex(glyph.decode()): bytes.fromhex(text.decode()).decode("utf-16-be")
        for glyph, text in _MAPPED.findall(mapped.partition(b"endcodespacerange")[2])
    }


def _stream(body: bytes) -> bytes:
    found = _STREAM.search(body)
    assert found is not None
    return zlib.decompress(found[1])


def _reference(body: bytes, pattern: bytes) -> int:
    found = re.search(pattern, body)
    assert found is not None, pattern
    return int(found[1])


def _references(body: bytes, pattern: bytes) -> list[int]:
    found = re.search(pattern, body)
    assert found is not None, pattern
    return [int(number) for number in re.findall(rb"(\d+) 0 R", found[1])]


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    if escape.isdigit():
        return bytes([int(escape, 8)])
    return _NAMED.get(escape, escape)
