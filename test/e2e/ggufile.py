"""GGUF files for the tests: read, changed, written; or made from nothing, with tensors that take no disk space."""
import dataclasses
import math
import struct

SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
BLOCKS = {0: (1, 4), 1: (1, 2), 2: (32, 18), 8: (32, 34), 30: (1, 2)}  # type: elements, bytes


@dataclasses.dataclass
class Tensor:
    name: str
    dims: list  # innermost first
    kind: int
    data: bytes = None  # None: zeros, a hole in the file

    @property
    def size(self):
        elements, size = BLOCKS[self.kind]
        return math.prod(self.dims) // elements * size


def row_bytes(tensor):
    elements, size = BLOCKS[tensor.kind]
    return tensor.dims[0] // elements * size


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, what):
    """A metadata value of that type: a number, a string, or a list of them."""
    if isinstance(what, list):
        return struct.pack("<IIQ", ARRAY, kind, len(what)) + b"".join(value(kind, one)[4:] for one in what)
    if kind == STRING:
        return struct.pack("<I", kind) + string(what)
    return struct.pack("<I" + {4: "I", 5: "i", 6: "f", 7: "?"}[kind], kind, what)


def write(path, keys, metadata, tensors, alignment=32):
    infos, at = b"", 0
    for tensor in tensors:
        infos += string(tensor.name) + struct.pack("<I", len(tensor.dims))
        infos += struct.pack(f"<{len(tensor.dims)}QIQ", *tensor.dims, tensor.kind, at)
        at += -(-tensor.size // alignment) * alignment
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(tensors), keys) + metadata + infos
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % alignment))
        for tensor in tensors:
            if tensor.data is None:
                file.seek(tensor.size, 1)
            else:
                file.write(tensor.data)
            file.seek(-file.tell() % alignment, 1)
        file.truncate()


class Gguf:
    """Metadata as its bytes, and the tensors."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.bytes = file.read()
        magic, version, tensors, self.keys = struct.unpack_from("<4sIQQ", self.bytes)
        assert magic == b"GGUF" and version == 3
        self.at = 24
        self.alignment = 32
        for _ in range(self.keys):
            key = self.string()
            at = self.at + 4
            self.value(self.number("<I"))
            if key == b"general.alignment":
                self.alignment, = struct.unpack_from("<I", self.bytes, at)
        self.metadata = self.bytes[24:self.at]
        infos = []
        for _ in range(tensors):
            name = self.string().decode()
            dims = [self.number("<Q") for _ in range(self.number("<I"))]
            infos.append((name, dims, self.number("<I"), self.number("<Q")))
        start = -(-self.at // self.alignment) * self.alignment
        self.tensors = []
        for name, dims, kind, offset in infos:
            tensor = Tensor(name, dims, kind)
            tensor.data = self.bytes[start + offset:][:tensor.size]
            self.tensors.append(tensor)

    def number(self, form):
        value, = struct.unpack_from(form, self.bytes, self.at)
        self.at += struct.calcsize(form)
        return value

    def string(self):
        length = self.number("<Q")
        self.at += length
        return self.bytes[self.at - length:self.at]

    def value(self, kind):
        if kind == STRING:
            self.string()
        elif kind == ARRAY:
            inner, count = self.number("<I"), self.number("<Q")
            if inner == STRING:
                for _ in range(count):
                    self.string()
            else:
                self.at += SCALARS[inner] * count
        else:
            self.at += SCALARS[kind]

    def write(self, path):
        write(path, self.keys, self.metadata, self.tensors, self.alignment)
