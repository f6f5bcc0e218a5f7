"""`python -m laguna` is `laguna`."""

from laguna.cli import main

if __name__ == "__main__":
    main()
