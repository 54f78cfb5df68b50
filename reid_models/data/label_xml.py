"""`<Item imageName= vehicleID= cameraID= …/>` label files of VeRi-776 and CityFlow-ReID.

Their header claims the encoding gb2312, which expat refuses ("multi-byte encodings are not supported"), and
copies that were mended by hand claim utf-8. So the bytes are decoded here and the claim is not read: a text
given to expat is parsed as it is. Document types are refused, and with them entities, inner or external.
"""

from __future__ import annotations

from pathlib import Path
from xml.parsers import expat

from mtmc.errors import InputError
from reid_models.data.files import expect_file


def read_label_items(path: Path, what: str) -> list[dict[str, str]]:
    """The attributes of every `Item`, in file order.

    Raises `InputError` for a file that is missing, not XML, holds a document type, or has no Item with imageName.
    """
    items: list[dict[str, str]] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "Item":
            items.append(attributes)

    def refuse(*_: object) -> None:
        raise InputError(path, "plain XML labels", "a document type declaration", "Use the file as it was published.")

    parser = expat.ParserCreate()
    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(_decode(expect_file(path, what).read_bytes()), True)
    except expat.ExpatError as error:
        raise InputError(path, "well-formed XML", str(error), "Unpack the data set again.") from error
    nameless = sum("imageName" not in item for item in items)
    if nameless or not items:
        raise InputError(path, "Item elements with imageName", f"{len(items)} of which {nameless} without")
    return items


def _decode(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):  # gb18030 contains gb2312
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")
