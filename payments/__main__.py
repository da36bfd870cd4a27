"""`python -m payments`: the commands of `tollgate payments`."""

from payments.commands import app
from tollgate import run

if __name__ == "__main__":
    run(app, "python -m payments")
