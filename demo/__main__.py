"""`python -m demo`: the command `tollgate demo`."""

from demo.command import app
from tollgate import run

if __name__ == "__main__":
    run(app, "python -m demo")
