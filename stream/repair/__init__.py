"""The operator's commands that read or repair the engine's state: backup, restore, rebuild, skip and redrive.
`docs/operations/runbook.md` explains when to use which.
"""
