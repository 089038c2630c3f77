"""The command line: `main` lists the commands, `commands` has a module for each, the other modules serve several."""
