"""A program: any HDF5 file to the plain form that fastconv reads, on standard output.

It runs in a process of its own because a damaged file can crash the HDF5 library.
"""

import io
import resource
import sys
from typing import Any

import numpy as np

MOST_NODES = 100_000


def copied(source: Any, target: Any, left: list[int], above: tuple[Any, ...] = ()) -> None:
    import h5py

    if source.id in above:
        raise ValueError(f"group {source.name} is nested in itself")
    for name, value in source.attrs.items():
        texts = isinstance(value, np.ndarray) and h5py.check_string_dtype(value.dtype)
        # Keras declares its lists of names to be ASCII, whatever is in them.
        target.attrs[name] = value.astype(h5py.string_dtype()) if texts else value
    for name in source:
        left[1] -= 1
        link = source.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise ValueError(f"{source.name}/{name} is a link to another file")
        if not isinstance(link, h5py.HardLink) or left[1] < 0:
            raise ValueError(f"{source.name}/{name} is a link")
        item = source[name]
        plain = name.encode()  # a text that is not ASCII makes its group one of the later form
        if isinstance(item, h5py.Group):
            copied(item, target.create_group(plain), left, (*above, source.id))
            continue
        if not isinstance(item, h5py.Dataset) or item.is_virtual or item.external:
            raise ValueError(f"{source.name}/{name} is not an array stored in the file")
        if item.dtype.kind not in "biuf":
            raise ValueError(f"{source.name}/{name} holds {item.dtype}, expected numbers")
        left[0] -= item.nbytes
        if left[0] < 0:
            raise ValueError(f"{source.name}/{name} claims {item.nbytes:,} bytes")
        target.create_dataset(plain, data=item[()])


def main(path: str, most: int) -> int:
    import h5py

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (2 * most + (4 << 30),) * 2)
    content = io.BytesIO()
    try:
        with h5py.File(path, "r") as source, h5py.File(content, "w") as target:
            copied(source, target, [most, MOST_NODES])
    except Exception as error:
        print(f"{error}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(content.getbuffer())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
