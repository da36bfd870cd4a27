"""`python -m stream`: another name for the command `tollgate`."""

from tollgate import app, run

if __name__ == "__main__":
    run(app, "python -m stream")
