"""A Jupyter kernel in which ``keras`` is fastconv: ``python -m fastconv.compat.kernel -f FILE``."""

from __future__ import annotations

from fastconv.compat.modules import install


def main() -> None:
    """Serve until the client is done."""
    from ipykernel.kernelapp import launch_new_instance

    install()
    launch_new_instance()


if __name__ == "__main__":
    main()
