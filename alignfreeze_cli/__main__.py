"""`python -m alignfreeze_cli`, for `torchrun -m alignfreeze_cli realign …`."""

from alignfreeze_cli.cli.app import main

main()
