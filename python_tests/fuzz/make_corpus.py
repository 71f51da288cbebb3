"""Writes a small valid file of each form into ``corpus/``, for the fuzzer to start from."""

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from readers import model

from fastconv.saving.checkpoint import MAGIC, encode

CORPUS = Path(__file__).parent / "corpus"
RNG = np.random.default_rng(0)


def put(reader: str, name: str, content: bytes) -> None:
    (CORPUS / reader).mkdir(parents=True, exist_ok=True)
    (CORPUS / reader / name).write_bytes(content)


def tar_gz(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def models(folder: Path) -> None:
    small = model()
    small.compile("adam", "mse")
    small.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    for reader, name in (("archive", "m.keras"), ("old_model", "m.h5")):
        small.save(folder / name)
        put(reader, name, (folder / name).read_bytes())
    small.save_weights(folder / "w.weights.h5")
    content = (folder / "w.weights.h5").read_bytes()
    put("weights", "w.weights.h5", content)
    put("hdf5", "w.weights.h5", content)
    import h5py

    chunked = io.BytesIO()
    with h5py.File(chunked, "w") as file:
        values = np.arange(30, dtype="f4").reshape(5, 6)
        file.create_dataset("x", data=values, chunks=(2, 3), compression="gzip", shuffle=True)
        file.create_dataset("y", data=values, chunks=(5, 6), fletcher32=True)
        file.attrs["names"] = ["a", "bb"]
    put("hdf5", "chunked.h5", chunked.getvalue())
    put("config", "model.json", small.to_json().encode())


def main() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        models(Path(folder))
    rows = {"data": RNG.integers(0, 255, (1, 3072), np.uint8), "labels": [3]}
    for protocol in (0, 2, 4):
        put("cifar_batch", f"protocol{protocol}", pickle.dumps(rows, protocol=protocol))
        small = {
            "data": np.arange(6, dtype=np.uint8).reshape(2, 3),
            b"labels": [1, -2],
            "x": (1.5,),
        }
        put("pickle", f"protocol{protocol}", pickle.dumps(small, protocol=protocol))
    binary = bytes([1]) + bytes(3072)
    folder = "cifar-10-batches-bin"
    members = {f"{folder}/data_batch_1.bin": binary, f"{folder}/test_batch.bin": binary}
    put("cifar_archive", "c.tar.gz", tar_gz(members))
    header = bytes((0, 0, 8, 3)) + np.array([2, 2, 2], ">u4").tobytes()
    put("images", "plain", header + bytes(8))
    put("images", "packed", gzip.compress(header + bytes(8), mtime=0))
    out = io.BytesIO()
    x, y = np.zeros((2, 2, 2), np.uint8), np.zeros(2, np.uint8)
    np.savez(out, x_train=x, y_train=y, x_test=x, y_test=y)
    put("npz", "a.npz", out.getvalue())
    state = {"step": 3, "history": {"loss": [0.5]}, "w": np.arange(6.0).reshape(2, 3)}
    state["many"] = [np.array([True]), np.int64(4)]
    put("checkpoint", "state", b"".join(map(bytes, encode(state)))[len(MAGIC) : -32])
    put("table", "t.csv", b"a,b,c,d,e,f,g,h,i\n6,148,72,35,0,33.6,0.627,50,1\n")
    put("packed", "a.tar", tar_gz({"a/b": b"text", "c": b""}, "w"))
    put("packed", "a.tar.gz", tar_gz({"a/b": b"text", "c": b""}))
    put("packed", "a.tar.xz", tar_gz({"a/b": b"text"}, "w:xz"))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("a/b", "text" * 10)
    put("packed", "a.zip", out.getvalue())
    from PIL import Image

    for form in ("PNG", "JPEG", "GIF", "BMP"):
        out = io.BytesIO()
        Image.fromarray(RNG.integers(0, 255, (3, 4, 3), np.uint8)).save(out, form)
        put("picture", form.lower(), out.getvalue())
    cells = [{"cell_type": "code", "source": ["a = 1\n", "%time b\n"]}, {"cell_type": "markdown"}]
    put("notebook", "notebook", json.dumps({"cells": cells}).encode())


if __name__ == "__main__":
    main()
