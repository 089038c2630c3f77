"""One module for each command or group of commands, called as the command is; its `command` is what click runs.

`gateway.cli.main` lists them, and imports a module when its command is run.
"""
